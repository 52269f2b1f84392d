"""Ray Serve: two replicas. Stores nothing."""

import sys
import time

import ray
from ray import serve
from starlette.requests import Request

from bench.peers.work import analyse, segmenter


@serve.deployment(num_replicas=2, max_ongoing_requests=4, ray_actor_options={"num_cpus": 1})
class Screening:
    """The network as Ray Serve wants it."""

    def __init__(self) -> None:
        segmenter()

    async def __call__(self, request: Request) -> dict:
        """Analyse the body."""
        return analyse(await request.body())


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(
        Screening.bind(),  # type: ignore[attr-defined]
        route_prefix="/predict",
    )
    while True:
        time.sleep(3600)
