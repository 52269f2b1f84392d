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
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import func, select
from tqdm import tqdm

from shared.errors import ServiceError
from shared.jobs import control
from shared.tables import job_events, jobs
from tests.chaos.cluster import Cluster, open_cluster
from tests.chaos.server import Server, open_server

WAVE = 50
FREEZE_S = 4.0
BROKER_FREEZE_S = 2.0


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
    """Freeze a worker process for longer than its lease, while other faults go on."""
    frozen = cluster.busy_process()
    os.kill(frozen, signal.SIGSTOP)
    threading.Timer(FREEZE_S, thaw, (frozen,)).start()


def thaw(process_number: int) -> None:
    """Let a frozen process go on, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(process_number, signal.SIGCONT)


def restart_worker(cluster: Cluster) -> None:
    """Stop a worker politely, and start another."""
    worker = random.choice([w for w in cluster.workers if w.poll() is None])
    worker.send_signal(signal.SIGTERM)
    cluster.start_worker()


def kill_redis(cluster: Cluster) -> None:
    """Kill the redis-server and start it again."""
    cluster.kill_redis()
    cluster.start_redis()


def freeze_redis(cluster: Cluster) -> None:
    """Let the redis-server fall silent for a while."""
    assert cluster.redis_process
    cluster.redis_process.send_signal(signal.SIGSTOP)
    time.sleep(BROKER_FREEZE_S)
    cluster.redis_process.send_signal(signal.SIGCONT)


def fill_redis(cluster: Cluster) -> None:
    """Leave Redis without memory for a second."""
    with cluster.redis_client() as client:
        client.config_set("maxmemory", "1")
        time.sleep(1)
        client.config_set("maxmemory", "256mb")


def empty_redis(cluster: Cluster) -> None:
    """Remove everything from Redis."""
    with cluster.redis_client() as client:
        client.flushall()


def ring_too_often(cluster: Cluster) -> None:
    """Send doorbells again and again, for known jobs and for none."""
    known = random.choices(cluster.submitted, k=10) if cluster.submitted else []
    cluster.flood([*known, "0" * 26])


def cancel_one(cluster: Cluster) -> None:
    """Cancel one of the latest jobs, wherever it is on its way."""
    with suppress(ServiceError, IndexError):
        wanted = random.choice(cluster.submitted[-WAVE:])
        cluster.database.run(partial(control.cancel, user_id=cluster.user_id, job_id=wanted))


FAULTS: list[Callable[[Cluster], None]] = [
    kill_process, kill_worker, freeze_process, restart_worker, kill_redis, freeze_redis, fill_redis, empty_redis,
    ring_too_often, cancel_one,
]  # fmt: skip


def kill_database(server: Server, cluster: Cluster) -> None:
    """Kill the database server under load and start it again."""
    server.kill()
    server.start()
    cluster.wait_for_database()


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


def run(
    cluster: Cluster, faults: list[tuple[str, Callable[[Cluster], None]]], args: argparse.Namespace
) -> Counter[str]:
    """Submit in waves while faults happen, until both counts or the time are used up, then wait for the end."""
    happened: Counter[str] = Counter()
    give_up_s = time.monotonic() + args.minutes * 60
    with tqdm(total=args.faults, desc="faults", unit="fault", mininterval=10) as bar:
        while time.monotonic() < give_up_s and (
            len(cluster.submitted) < args.jobs or sum(happened.values()) < args.faults
        ):
            if cluster.unfinished() < WAVE:
                cluster.submit(min(WAVE, max(10, args.jobs - len(cluster.submitted))))
            if sum(happened.values()) < args.faults:
                name, fault = random.choice(faults)
                fault(cluster)
                happened[name] += 1
                bar.update()
    cluster.settle(timeout_s=300)
    return happened


def main() -> int:
    """Run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=24 * 60, help="stop making new jobs and faults after this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mariadb", action="store_true", help="on a mariadbd of its own, which is killed too")
    args = parser.parse_args()
    random.seed(args.seed)
    faults = [(fault.__name__, fault) for fault in FAULTS]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'hepaq.sqlite3'}"
        if args.mariadb:
            server = stack.enter_context(open_server(folder / "db"))
            url = server.url
            faults.append((kill_database.__name__, partial(kill_database, server)))
        cluster = stack.enter_context(open_cluster(folder, url, worker_count=args.workers))
        happened = run(cluster, faults, args)
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
