"""What a queue's worker does with a name: read the file, analyse it, leave the result in Redis."""

import json
import os
from functools import cache
from pathlib import Path

import redis

from bench.peers.work import analyse


@cache
def store() -> redis.Redis:
    """The Redis that holds the results, connected once per process."""
    return redis.Redis.from_url(os.environ["BENCH_REDIS_URL"])


def work(name: str) -> None:
    """Analyse one kept upload."""
    found = analyse((Path(os.environ["BENCH_FOLDER"]) / name).read_bytes())
    store().set(f"result:{name}", json.dumps(found))
