"""The whole system under load and loss: nothing lost, nothing twice."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import pytest
import requests
from sqlalchemy import func, select

from models.phantom import draw_phantom
from shared.identifiers import new_id
from shared.jobs.invariants import unfinished, violations
from shared.tables import jobs, results
from tests.conftest import RunningSystem, start_system, stop_system, wait_until
from web.api.schemas import MAX_IDS

pytestmark = pytest.mark.system
RECOVERY_S = 40


def picture(seed: int) -> bytes:
    return cv2.imencode(".png", draw_phantom(seed, side=256).pixels)[1].tobytes()


@pytest.fixture(scope="module")
def token(running_system: RunningSystem) -> str:
    """A token of the admin."""
    return running_system.token()


def post(system: RunningSystem, token: str, content: bytes) -> tuple[str, float]:
    """Submit one scan; return the job's id and the seconds it took."""
    start = time.monotonic()
    response = requests.post(
        f"{system.url}/api/v1/jobs",
        headers={"Authorization": f"Bearer {token}"},
        files={"scan": ("x.png", content, "image/png")},
        timeout=30,
    )
    assert response.status_code == 202, response.text
    return response.json()["id"], time.monotonic() - start


def assert_each_once(system: RunningSystem, ids: list[str]) -> None:
    """Every job ended well with one result, and the log of transitions is sound."""
    database = system.database()
    with database.read() as connection:
        found = connection.execute(select(jobs.c.id, jobs.c.status).where(jobs.c.id.in_(ids))).all()
        count = connection.execute(
            select(func.count()).select_from(results).where(results.c.job_id.in_(ids))
        ).scalar_one()
        broken = list(violations(connection))
    database.close()
    assert len(set(ids)) == len(ids)
    assert {row.status for row in found} == {"succeeded"}
    assert (len(found), count) == (len(ids), len(ids))
    assert broken == []


def wait_for_all(system: RunningSystem, *, timeout_s: float) -> None:
    database = system.database()

    def none_left() -> bool:
        with database.read() as connection:
            return unfinished(connection) == 0

    wait_until(none_left, timeout_s=timeout_s, what="all jobs ended")
    database.close()


def test_200_scans_from_20_clients_end_once_each(running_system: RunningSystem, token: str) -> None:
    contents = [picture(seed) for seed in range(10)]

    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda n: post(running_system, token, contents[n % 10]), range(200)))
    wait_for_all(running_system, timeout_s=240)

    assert_each_once(running_system, [job_id for job_id, _ in answers])


def test_a_killed_worker_process_loses_nothing(running_system: RunningSystem, token: str) -> None:
    # All at once, so that there is work left to lose.
    response = requests.post(
        f"{running_system.url}/api/v1/jobs",
        headers={"Authorization": f"Bearer {token}"},
        files=[("scan", ("x.png", picture(seed % 10), "image/png")) for seed in range(120)],
        timeout=60,
    )
    ids = [job["id"] for job in response.json()["jobs"]]
    victim = busy_process(running_system)

    os.kill(victim, signal.SIGKILL)

    wait_for_all(running_system, timeout_s=RECOVERY_S)
    assert_each_once(running_system, ids)


def busy_process(system: RunningSystem) -> int:
    """The process number of a worker process that holds a job."""
    database = system.database()
    give_up_s = time.monotonic() + 20
    try:
        while time.monotonic() < give_up_s:
            with database.read() as connection:
                holder = (
                    connection.execute(select(jobs.c.worker_id).where(jobs.c.status == "running")).scalars().first()
                )
            if holder:
                return int(holder.split(":")[1])
            time.sleep(0.01)
    finally:
        database.close()
    raise AssertionError("no worker process took a job")


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A redis-server of the test's own, which it may stop: its URL and its command."""
    from shared.embedded_redis import find_redis_server, redis_command

    path = tmp_path / "r.sock"
    yield f"unix://{path}", redis_command(find_redis_server(), tmp_path, path)


def test_an_upload_while_redis_is_down_runs_once_it_is_back(tmp_path: Path, own_redis: tuple[str, list[str]]) -> None:
    url, command = own_redis
    redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    system = start_system(tmp_path / "data", REDIS_URL=url, RING_AGAIN_S="2")
    try:
        token = system.token()
        redis.terminate()
        redis.wait(10)

        job_id, seconds = post(system, token, picture(1))
        redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for_all(system, timeout_s=60)

        assert seconds < 1
        assert_each_once(system, [job_id])
    finally:
        stop_system(system)
        redis.kill()
        redis.wait()


def test_a_second_start_says_that_one_runs(running_system: RunningSystem) -> None:
    done = running_system.command("run.py")

    assert done.returncode == 2
    assert "already running" in done.stderr


def test_a_stop_is_clean_and_a_new_start_goes_on(tmp_path: Path) -> None:
    system = start_system(tmp_path / "data")
    token = system.token()
    job_id, _ = post(system, token, picture(1))
    stop_system(system)

    system = start_system(tmp_path / "data")
    wait_for_all(system, timeout_s=60)
    assert_each_once(system, [job_id])
    log = system.log.read_text()
    stop_system(system)

    assert "Traceback" not in log


@pytest.mark.parametrize("path", ["", "/status"])
def test_as_many_ids_as_documented_fit_into_one_question(running_system: RunningSystem, token: str, path: str) -> None:
    ids = ",".join(new_id() for _ in range(MAX_IDS))

    response = requests.get(
        f"{running_system.url}/api/v1/jobs{path}",
        params={"ids": ids},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )

    assert response.status_code == 200, response.text
