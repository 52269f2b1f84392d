"""Hurt at every step from the claim to the acknowledgement: the job still ends once."""

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from shared.tables import jobs
from tests.chaos.cluster import Cluster, open_cluster
from tests.chaos.failpoints import STEPS
from tests.conftest import wait_until

pytestmark = pytest.mark.system


def reached(cluster: Cluster) -> int:
    """How often the failpoint did its harm."""
    return len(list(cluster.folder.glob("reached*")))


def start_hurt(cluster: Cluster, step: str, harm: str, **settings: str) -> None:
    cluster.start_worker(failpoint=(step, harm), FAILPOINT_FOLDER=str(cluster.folder), **settings)


def worker_of(cluster: Cluster) -> str:
    with cluster.database.read() as connection:
        return connection.execute(select(jobs.c.worker_id).where(jobs.c.status == "running").limit(1)).scalar_one()


def test_killed_at_every_step(tmp_path: Path, database_url: str) -> None:
    """One worker, whose process dies at one step after the other; each time another takes over."""
    with open_cluster(tmp_path, database_url, worker_count=0) as cluster:
        # Beats in the midst of a batch; one that is killed at every step is no poison.
        pace = {"LEASE_S": "1.5", "HEARTBEAT_S": "0.05", "BATCH_SIZE": "32"}
        start_hurt(cluster, ",".join(STEPS), "kill", MAX_CRASHES="99", MAX_ATTEMPTS="99", **pace)
        cluster.submit(40)

        wait_until(lambda: reached(cluster) == len(STEPS), timeout_s=240, what="killed at every step")
        cluster.settle()

        cluster.assert_all_succeeded_once()


def test_a_writer_frozen_before_its_commit_stops_nobody_once_it_is_killed(tmp_path: Path, database_url: str) -> None:
    with open_cluster(tmp_path, database_url, worker_count=0) as cluster:
        start_hurt(cluster, "finished_uncommitted", "freeze")
        ids = cluster.submit(8)
        wait_until(lambda: reached(cluster) == 1, timeout_s=30, what="frozen inside the transaction")
        holder = int(worker_of(cluster).split(":")[1])

        cluster.start_worker()
        os.kill(holder, signal.SIGKILL)

        cluster.settle()
        cluster.assert_all_succeeded_once()
        assert len(ids) == 8


@pytest.mark.parametrize("step", ["before_decode", "before_infer", "before_measure"])
@pytest.mark.parametrize("harm", ["exhaust", "disk_full"])
def test_a_fault_of_the_system_costs_an_attempt_and_no_worker(tmp_path: Path, step: str, harm: str) -> None:
    with open_cluster(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}", worker_count=0) as cluster:
        start_hurt(cluster, step, harm, BATCH_SIZE="1")
        cluster.submit(4)

        cluster.settle()

        assert reached(cluster) == 1
        cluster.assert_all_succeeded_once()
        with cluster.database.read() as connection:
            assert connection.execute(select(func.max(jobs.c.attempt))).scalar_one() == 2
            assert connection.execute(select(func.max(jobs.c.crash_count))).scalar_one() == 0
        assert [w.poll() for w in cluster.workers] == [None]


def test_work_that_hangs_while_its_heart_beats_is_taken_away_at_its_deadline(tmp_path: Path, database_url: str) -> None:
    with open_cluster(tmp_path, database_url, worker_count=0) as cluster:
        start_hurt(cluster, "before_infer", "hang", JOB_DEADLINE_S="4")
        cluster.submit(8)
        wait_until(lambda: reached(cluster) == 1, timeout_s=30, what="hanging")

        cluster.start_worker()

        assert cluster.settle() < 30
        cluster.assert_all_succeeded_once()


def test_a_heart_that_stops_alone_costs_its_batch_and_no_job(tmp_path: Path, database_url: str) -> None:
    with open_cluster(tmp_path, database_url, worker_count=0) as cluster:
        start_hurt(cluster, "before_beat", "exhaust", HEARTBEAT_S="0.01", BATCH_SIZE="32")
        cluster.submit(40)

        cluster.settle()

        assert reached(cluster) == 1
        cluster.assert_all_succeeded_once()


def test_a_job_that_kills_its_worker_dies_alone(tmp_path: Path) -> None:
    """Its companions in the batch die with it at first, never for good."""
    with open_cluster(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}", worker_count=0) as cluster:
        cluster.submit(1)
        start_hurt(cluster, "before_infer", "kill", FAILPOINT_COUNT="3", BATCH_SIZE="1")
        wait_until(lambda: cluster.unfinished() == 0, timeout_s=60, what="the poison is dead")
        cluster.submit(10)

        cluster.settle()

        assert cluster.broken_promises() == []
        with cluster.database.read() as connection:
            ended = dict(connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status)).all())
            codes = set(connection.execute(select(jobs.c.error_code).where(jobs.c.status == "dead")).scalars())
        assert ended == {"dead": 1, "succeeded": 10}
        assert codes == {"poison"}
