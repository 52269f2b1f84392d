"""The front of the queues: keeps the upload in a file, enqueues its name, tells results from Redis.

    gunicorn 'bench.peers.queue_front:make_app("rq")'

No database, no fsync: what it keeps, a power cut may take.
"""

import os
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import redis
from flask import Flask, request

FOLDER = Path(os.environ["BENCH_FOLDER"])
REDIS_URL = os.environ["BENCH_REDIS_URL"]


def make_app(queue: str) -> Flask:
    """Make the front of a queue; `bench.peers.<queue>_queue` enqueues."""
    app = Flask(__name__)
    enqueue: Callable[[str], object] = import_module(f"bench.peers.{queue}_queue").enqueue
    store = redis.Redis.from_url(REDIS_URL, decode_responses=True)

    @app.post("/jobs")
    def submit() -> tuple[dict, int]:
        name = uuid.uuid4().hex
        (FOLDER / name).write_bytes(request.get_data(cache=False))
        enqueue(name)
        return {"id": name}, 202

    @app.get("/jobs/status")
    def read_many() -> dict:
        names = request.args["ids"].split(",")
        found = store.mget(f"result:{name}" for name in names)
        return {
            "jobs": [{"id": n, "status": "succeeded" if f else "queued"} for n, f in zip(names, found, strict=True)]
        }

    @app.get("/jobs/<name>")
    def read(name: str) -> dict:
        return {"id": name, "result": store.get(f"result:{name}")}

    return app
