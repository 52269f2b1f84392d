"""Dramatiq: two processes of one thread."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS_URL"]))


@dramatiq.actor
def work(name: str) -> None:
    """Analyse one kept upload; imported here, for the front never loads the network."""
    from bench.peers.queue_work import work as do

    do(name)


def enqueue(name: str) -> object:
    """Hand a job over."""
    return work.send(name)
