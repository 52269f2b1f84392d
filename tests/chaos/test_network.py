"""Slow, cut and dead connections between the workers, the database and Redis."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, make_url, select

from shared.database import Database, now_ms
from shared.errors import DatabaseUnavailable
from shared.identifiers import new_id
from shared.jobs import claim, finish
from shared.jobs.submit import StoredScan, submit
from shared.migrate import migrate
from shared.tables import jobs, results, users
from tests.chaos.cluster import Cluster, open_cluster
from tests.chaos.proxy import Proxy, open_proxy

pytestmark = pytest.mark.system
RESULT = {
    "tumor_detected": True, "confidence": 0.9, "stage": "II", "stage_rule": "bbox-128", "affected_percent": 3.5,
    "lesion_count": 0, "liver_area_px": 1000, "tumor_area_px": 35, "model_name": "m", "model_version": "1",
    "model_sha256": "0" * 64, "code_version": "0", "input_sha256": "1" * 64, "mask_sha256": "2" * 64, "report": {},
}  # fmt: skip


def through(proxy: Proxy, url: str) -> str:
    """The same server, reached by way of the proxy."""
    return make_url(url).set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)


@pytest.fixture
def proxy(mysql_url: str) -> Iterator[Proxy]:
    """A proxy before the database server."""
    with open_proxy(make_url(mysql_url).port or 3306) as proxy:
        yield proxy


@pytest.fixture
def cluster(tmp_path: Path, mysql_url: str, proxy: Proxy) -> Iterator[Cluster]:
    """One worker that reaches the database by way of the proxy."""
    with open_cluster(tmp_path, mysql_url, worker_count=0) as cluster:
        cluster.start_worker(DATABASE_URL=through(proxy, mysql_url))
        yield cluster


def test_a_slow_a_cut_and_a_refusing_way_to_the_database(cluster: Cluster, proxy: Proxy) -> None:
    proxy.delay_s = 0.01
    cluster.submit(20)
    cluster.busy_process()
    proxy.delay_s = 0
    for _ in range(3):
        proxy.cut()
        time.sleep(0.3)
    proxy.refuses = True
    proxy.cut()
    time.sleep(2)
    proxy.refuses = False

    cluster.settle()
    cluster.assert_all_succeeded_once()


def test_a_worker_whose_way_is_dead_loses_its_jobs_to_another_and_writes_nothing_afterwards(
    cluster: Cluster, proxy: Proxy
) -> None:
    cluster.submit(30)
    cluster.busy_process()

    proxy.is_silent = True
    cluster.start_worker()
    cluster.settle()
    proxy.is_silent = False
    time.sleep(3)

    cluster.assert_all_succeeded_once()


def test_workers_survive_commits_of_unknown_outcome(cluster: Cluster, proxy: Proxy) -> None:
    cluster.submit(30)
    cluster.busy_process()
    for _ in range(5):
        proxy.cut_after = b"\x03COMMIT"
        time.sleep(0.5)

    cluster.settle()
    assert proxy.cut_count
    cluster.assert_all_succeeded_once()


def test_a_finish_whose_commit_went_unanswered_is_not_written_twice(mysql_url: str, proxy: Proxy) -> None:
    migrate(mysql_url)
    direct, database, user_id = Database(mysql_url), Database(through(proxy, mysql_url)), new_id()
    row = {"id": user_id, "name": "ann", "password_hash": "-"}
    direct.run(lambda c: c.execute(insert(users).values(created_ms=now_ms(), **row)))
    direct.run(lambda c: submit(c, user_id, [StoredScan("0" * 64, 1, "png")]))
    (held,) = database.run(lambda c: claim.claim_due(c, "w", limit=1, lease_s=30, deadline_s=900))

    proxy.cut_after = b"\x03COMMIT"
    with pytest.raises(DatabaseUnavailable):
        database.run(lambda c: finish.succeed(c, held, finish.Outcome(RESULT), actor="w"))
    again = database.run(lambda c: finish.succeed(c, held, finish.Outcome(RESULT), actor="w"))

    # The first COMMIT went through although nobody heard of it; the fence stops the second.
    assert proxy.cut_count == 1
    assert not again
    with direct.read() as connection:
        assert connection.execute(select(jobs.c.status)).scalar_one() == "succeeded"
        assert connection.execute(select(func.count()).select_from(results)).scalar_one() == 1
    direct.close()
    database.close()


def test_a_slow_a_cut_and_a_dead_way_to_redis(tmp_path: Path, database_url: str) -> None:
    with (
        open_cluster(tmp_path, database_url, worker_count=0, redis_port=True) as cluster,
        open_proxy(cluster.redis_port) as proxy,
    ):
        cluster.start_worker(REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
        proxy.delay_s = 0.02
        cluster.submit(10)
        cluster.busy_process()
        proxy.delay_s = 0
        proxy.cut()
        cluster.submit(10)
        time.sleep(1)
        proxy.is_silent = True
        cluster.submit(10)
        time.sleep(4)
        proxy.is_silent = False

        cluster.settle()
        cluster.assert_all_succeeded_once()
