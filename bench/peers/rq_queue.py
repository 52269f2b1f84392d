"""RQ: the default worker forks for each job; SimpleWorker does not."""

import os

import redis
from rq import Queue

_queue = Queue(connection=redis.Redis.from_url(os.environ["BENCH_REDIS_URL"]))


def enqueue(name: str) -> object:
    """Hand a job over; the front never loads the network."""
    return _queue.enqueue("bench.peers.queue_work.work", name, result_ttl=0)
