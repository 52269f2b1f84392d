"""The long run: many jobs, many faults by a seed, then the checker.

    python -m tests.chaos.nemesis --jobs 10000 --faults 1000          (or `make chaos JOBS=10000 FAULTS=1000`)

Prints the figures that docs/operations.md quotes, and exits with 1 if a promise was broken.
"""

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import func, select
from tqdm import tqdm

from shared.tables import job_events, jobs
from tests.chaos.cluster import Cluster, open_cluster

WAVE = 50
FREEZE_S = 4.0


def kill_process(cluster: Cluster) -> None:
    """Kill a worker process that holds a job."""
    os.kill(cluster.busy_process(), signal.SIGKILL)


def kill_worker(cluster: Cluster) -> None:
    """Kill a worker with all its processes, and start another."""
    worker = random.choice([w for w in cluster.workers if w.poll() is None])
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    cluster.start_worker()


def freeze_process(cluster: Cluster) -> None:
    """Freeze a worker process for longer than its lease."""
    frozen = cluster.busy_process()
    os.kill(frozen, signal.SIGSTOP)
    time.sleep(FREEZE_S)
    with suppress(ProcessLookupError):
        os.kill(frozen, signal.SIGCONT)


def restart_worker(cluster: Cluster) -> None:
    """Stop a worker politely, and start another."""
    worker = random.choice([w for w in cluster.workers if w.poll() is None])
    worker.send_signal(signal.SIGTERM)
    cluster.start_worker()


def kill_redis(cluster: Cluster) -> None:
    """Kill the redis-server and start it again."""
    cluster.kill_redis()
    cluster.start_redis()


def empty_redis(cluster: Cluster) -> None:
    """Remove everything from Redis."""
    with cluster.redis_client() as client:
        client.flushall()


FAULTS: list[Callable[[Cluster], None]] = [
    kill_process, kill_worker, freeze_process, restart_worker, kill_redis, empty_redis,
]  # fmt: skip


def recovery_s(cluster: Cluster) -> list[float]:
    """Return for every job taken back from a lost worker the seconds from its last claim to the taking back."""
    claimed: dict[str, int] = {}
    found = []
    query = select(job_events.c.job_id, job_events.c.to_status, job_events.c.reason, job_events.c.at_ms)
    with cluster.database.read() as connection:
        for event in connection.execute(query.order_by(job_events.c.seq)):
            if event.to_status == "running":
                claimed[event.job_id] = event.at_ms
            elif event.reason in ("worker_lost", "poison"):
                found.append((event.at_ms - claimed[event.job_id]) / 1000)
    return found


def run(cluster: Cluster, job_count: int, fault_count: int) -> Counter[str]:
    """Submit in waves while faults happen, then wait for the end."""
    happened: Counter[str] = Counter()
    with tqdm(total=fault_count, desc="faults", unit="fault") as bar:
        while len(cluster.submitted) < job_count or sum(happened.values()) < fault_count:
            if cluster.unfinished() < WAVE:
                cluster.submit(min(WAVE, max(10, job_count - len(cluster.submitted))))
            if sum(happened.values()) < fault_count:
                fault = random.choice(FAULTS)
                fault(cluster)
                happened[fault.__name__] += 1
                bar.update()
    cluster.settle(timeout_s=300)
    return happened


def main() -> int:
    """Run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--database-url", default="", help="an empty database; default: SQLite")
    args = parser.parse_args()
    random.seed(args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = args.database_url or f"sqlite:///{folder / 'hepaq.sqlite3'}"
        with open_cluster(folder, url, worker_count=args.workers) as cluster:
            happened = run(cluster, args.jobs, args.faults)
            broken, recoveries = cluster.broken_promises(), recovery_s(cluster)
            with cluster.database.read() as connection:
                ended = dict(connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status)).all())
    print(f"{len(cluster.submitted)} jobs, {sum(happened.values())} faults: {dict(happened)}")
    print(f"ended: {ended}; broken promises: {len(broken)}")
    if recoveries:
        print(
            f"{len(recoveries)} claims taken back, seconds after the claim: median"
            f" {statistics.median(recoveries):.1f}, worst {max(recoveries):.1f} (lease 3 s)"
        )
    print("\n".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
