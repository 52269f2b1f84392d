"""Negative controls: with a guard taken out, the chaos suite must see it."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos.cluster import Cluster, open_cluster

pytestmark = pytest.mark.system


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The guards are the same code on every database."""
    return f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"


def freeze_for_longer_than_a_lease(cluster: Cluster) -> None:
    frozen = cluster.busy_process()
    os.kill(frozen, signal.SIGSTOP)
    time.sleep(5)
    with suppress(ProcessLookupError):
        os.kill(frozen, signal.SIGCONT)


def test_without_the_fence_a_frozen_worker_breaks_promises(tmp_path: Path, database_url: str) -> None:
    with open_cluster(tmp_path, database_url, worker_count=0) as cluster:
        for _ in range(2):
            cluster.start_worker(sabotaged="fence")
        # A freeze may fall between two batches, where it harms nobody; three do not.
        for _ in range(3):
            cluster.submit(40)
            freeze_for_longer_than_a_lease(cluster)
        time.sleep(3)

        assert cluster.broken_promises() != []


def test_without_the_keeper_a_killed_workers_jobs_stay(tmp_path: Path, database_url: str) -> None:
    with open_cluster(tmp_path, database_url, worker_count=0) as cluster:
        for _ in range(2):
            cluster.start_worker(sabotaged="keeper")
        for _ in range(3):
            cluster.submit(20)
            os.kill(cluster.busy_process(), signal.SIGKILL)

        with pytest.raises(AssertionError, match="jobs unfinished"):
            cluster.settle(timeout_s=15)


def test_a_process_whose_turn_is_over_passes_the_doorbell_on(tmp_path: Path, database_url: str) -> None:
    with open_cluster(tmp_path, database_url, worker_count=0) as cluster:
        (first, *_) = cluster.submit(30)
        with cluster.redis_client() as client:
            client.flushall()
        cluster.flood([first])

        cluster.start_worker(sabotaged="turn")

        cluster.settle(timeout_s=30)
