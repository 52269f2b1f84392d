"""Real processes, really killed, frozen and cut off: nothing lost, nothing twice, nothing stuck."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from shared.errors import ServiceError
from shared.jobs import control
from shared.queue import QUEUE_NAME
from shared.tables import jobs
from tests.chaos.cluster import Cluster, open_cluster

pytestmark = pytest.mark.system


@pytest.fixture
def cluster(tmp_path: Path, database_url: str) -> Iterator[Cluster]:
    """Two workers on each kind of database."""
    with open_cluster(tmp_path, database_url) as cluster:
        yield cluster


def test_killed_worker_processes(cluster: Cluster) -> None:
    for _ in range(3):
        cluster.submit(40)
        os.kill(cluster.busy_process(), signal.SIGKILL)

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_a_whole_worker_killed_is_replaced_by_the_other(cluster: Cluster) -> None:
    cluster.submit(40)
    victim = os.getpgid(cluster.busy_process())

    os.killpg(victim, signal.SIGKILL)

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_a_worker_frozen_for_longer_than_its_lease_writes_nothing_afterwards(cluster: Cluster) -> None:
    cluster.submit(30)
    frozen = cluster.busy_process()

    os.kill(frozen, signal.SIGSTOP)
    time.sleep(5)
    with suppress(ProcessLookupError):
        os.kill(frozen, signal.SIGCONT)

    cluster.settle()
    time.sleep(1)
    cluster.assert_all_succeeded_once()


def test_redis_killed_and_restarted(cluster: Cluster) -> None:
    cluster.submit(20)
    cluster.busy_process()

    cluster.kill_redis()
    cluster.submit(10)
    cluster.start_redis()

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_redis_killed_again_and_again_while_messages_are_acknowledged(cluster: Cluster) -> None:
    for _ in range(4):
        cluster.submit(12)
        cluster.busy_process()
        cluster.kill_redis()
        time.sleep(0.5)
        cluster.start_redis()

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_redis_emptied(cluster: Cluster) -> None:
    cluster.submit(30)
    cluster.busy_process()

    with cluster.redis_client() as client:
        client.flushall()

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_redis_frozen(cluster: Cluster) -> None:
    cluster.submit(10)
    assert cluster.redis_process

    cluster.redis_process.send_signal(signal.SIGSTOP)
    cluster.submit(10)
    time.sleep(3)
    cluster.redis_process.send_signal(signal.SIGCONT)

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_redis_out_of_memory(cluster: Cluster) -> None:
    with cluster.redis_client() as client:
        client.config_set("maxmemory", "1")
        cluster.submit(10)
        time.sleep(2)
        client.config_set("maxmemory", "256mb")

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_doubled_forged_and_malformed_messages(cluster: Cluster) -> None:
    (first, *_) = cluster.submit(10)

    cluster.flood([first] * 50 + ["0" * 26, "'; DROP TABLE jobs; --"])
    with cluster.redis_client() as client:
        for junk in (b"junk", b"{}", b'{"body": "gASVCg==", "content-type": "application/x-python-serialize"}'):
            client.lpush(f"hepaq:{QUEUE_NAME}", junk)
    cluster.submit(5)

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_cancelling_races_finishing(cluster: Cluster) -> None:
    ids = cluster.submit(40)

    def cancel_some(mine: list[str]) -> None:
        for job_id in mine:
            with suppress(ServiceError):
                cluster.database.run(lambda c, job_id=job_id: control.cancel(c, cluster.user_id, job_id))

    threads = [threading.Thread(target=cancel_some, args=(ids[start::8],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cluster.settle()

    assert cluster.broken_promises() == []
    with cluster.database.read() as connection:
        assert set(connection.execute(select(jobs.c.status)).scalars()) <= {"succeeded", "cancelled"}


def test_workers_restarted_one_after_the_other_burn_no_attempt(cluster: Cluster) -> None:
    for worker in list(cluster.workers):
        cluster.submit(40)
        cluster.busy_process()
        cluster.start_worker()
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)

    cluster.settle()
    cluster.assert_all_succeeded_once()
    with cluster.database.read() as connection:
        assert set(connection.execute(select(jobs.c.attempt)).scalars()) == {1}


def test_a_worker_with_another_model_refuses_to_start(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other-model"
    other.mkdir()
    (other / "liver_tumor.json").write_text("{}")

    worker = cluster.start_worker(MODEL_DIR=str(other))

    assert worker.wait(30) != 0
    assert "model refused" in cluster.logs()
