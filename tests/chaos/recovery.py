"""How long recovery takes with the default settings: `python -m tests.chaos.recovery`; docs/operations.md quotes it."""

import os
import signal
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import cv2

from models.phantom import draw_phantom
from tests.chaos.cluster import PACE, Cluster, open_cluster
from tests.chaos.nemesis import recovery_s
from tests.chaos.server import open_server
from tests.conftest import start_system, stop_system

UPLOADS = 100


def killed_worker(cluster: Cluster) -> None:
    """Kill a busy worker process; its jobs are taken back and done."""
    cluster.submit(40)
    os.kill(cluster.busy_process(), signal.SIGKILL)
    took_s = cluster.settle(timeout_s=120)
    print(f"killed worker process: all done {took_s:.1f} s later; taken back after {max(recovery_s(cluster)):.1f} s")


def emptied_redis(cluster: Cluster) -> None:
    """Remove every message before any worker hears one."""
    cluster.stop_workers()
    cluster.submit(40)
    with cluster.redis_client() as client:
        client.flushall()
    cluster.start_worker()
    print(f"emptied Redis, workers started anew: all done {cluster.settle(timeout_s=120):.1f} s later")


def frozen_redis(folder: Path, cluster: Cluster) -> None:
    """Upload through the web server while Redis stands still."""
    assert cluster.redis_process
    content = cv2.imencode(".png", draw_phantom(3, side=256).pixels)[1].tobytes()
    system = start_system(folder, REDIS_URL=cluster.environment["REDIS_URL"], WORKERS="1")
    headers = {"Authorization": f"Bearer {system.token()}", "Content-Type": "image/png"}
    cluster.redis_process.send_signal(signal.SIGSTOP)
    seconds, statuses = [], set()
    for _ in range(UPLOADS):
        start_s = time.monotonic()
        try:
            with urlopen(Request(f"{system.url}/api/v1/jobs", content, headers), timeout=60) as done:
                statuses.add(done.status)
        except HTTPError as error:
            statuses.add(error.code)
        seconds.append(time.monotonic() - start_s)
    cluster.redis_process.send_signal(signal.SIGCONT)
    stop_system(system)
    p99_s = sorted(seconds)[-2]
    print(f"frozen Redis: {UPLOADS} answers {statuses}, median {statistics.median(seconds):.3f}, p99 {p99_s:.3f}")


def main() -> None:
    """Measure each once, on a MariaDB and a Redis of our own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(open_server(folder / "db"))
        cluster = stack.enter_context(open_cluster(folder, server.url, worker_count=0))
        cluster.environment.update(dict.fromkeys(PACE, ""))
        frozen_redis(folder / "system", cluster)
        for _ in range(2):
            cluster.start_worker()
        killed_worker(cluster)
        cluster.submit(40)
        cluster.busy_process()
        server.kill()
        time.sleep(5)
        server.start()
        cluster.wait_for_database()
        print(f"killed database: all done {cluster.settle(timeout_s=120):.1f} s after its return")
        emptied_redis(cluster)
        print(f"broken promises: {cluster.broken_promises()}")


if __name__ == "__main__":
    main()
