"""Doorbells: as few as wake every process that is needed, and none is left to work that lies there."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from celery import Celery

import worker.tasks
from shared.embedded_redis import find_redis_server, redis_command
from shared.queue import MOST_AT_ONCE, QUEUE_NAME, make_celery, ring, waiting_messages


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Celery]:
    """The application on a redis-server of its own that nobody else hears."""
    path = tmp_path / "r.sock"
    server = subprocess.Popen(redis_command(find_redis_server(), tmp_path, path), stdout=subprocess.DEVNULL)
    with redis.Redis(unix_socket_path=str(path)) as client:
        give_up_s = time.monotonic() + 15
        while time.monotonic() < give_up_s:
            with suppress(redis.RedisError):
                client.ping()
                break
            time.sleep(0.05)
    app = make_celery(f"unix://{path}")
    yield app
    app.close()
    server.kill()
    server.wait()


def hear_all(app: Celery) -> None:
    with app.connection_for_read() as connection, connection.channel() as channel:
        channel.client.delete(QUEUE_NAME)


def test_every_job_of_an_upload_wakes_a_process(app: Celery) -> None:
    assert ring(app, ["a", "b", "c"])

    assert waiting_messages(app) == 3


def test_an_unheard_doorbell_speaks_for_all(app: Celery) -> None:
    ring(app, ["a"])

    assert ring(app, ["b", "c"])
    assert waiting_messages(app) == 1

    hear_all(app)
    assert ring(app, ["d"])
    assert waiting_messages(app) == 1


def test_a_large_upload_wakes_no_more_processes_than_there_may_be(app: Celery) -> None:
    ring(app, [str(n) for n in range(200)])

    assert waiting_messages(app) == MOST_AT_ONCE


def test_a_process_works_until_nothing_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = iter([8, 8, 3, 0])
    monkeypatch.setattr(worker.tasks, "work_on_due", lambda _: next(batches))

    assert worker.tasks.drain(None)  # type: ignore[arg-type]
    assert list(batches) == []


def test_a_process_lets_others_have_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.tasks, "work_on_due", lambda _: 8)
    monkeypatch.setattr(worker.tasks, "DRAIN_S", 0.05)

    assert not worker.tasks.drain(None)  # type: ignore[arg-type]
