"""A small cluster of real processes that tests may hurt: a redis-server, worker processes, a database."""

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import redis
from sqlalchemy import func, insert, select

from models.phantom import draw_phantom
from shared.database import Database, now_ms
from shared.embedded_redis import find_redis_server, redis_command
from shared.errors import DatabaseUnavailable
from shared.folder_storage import FolderStorage
from shared.identifiers import new_id
from shared.jobs.invariants import unfinished, violations
from shared.jobs.submit import StoredScan, submit
from shared.migrate import migrate
from shared.queue import MESSAGE_VERSION, QUEUE_NAME, TASK_NAME, make_celery, ring
from shared.tables import jobs, results, scans, users
from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
# Everything ten times as fast as in production, so that a fault is over in seconds.
PACE = {"LEASE_S": "3", "HEARTBEAT_S": "0.5", "KEEPER_TICK_S": "0.2", "RING_AGAIN_S": "1", "BACKOFF_S": "0.2"}
ARGUMENTS = ["-A", "worker.app", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"]


@dataclass
class Cluster:
    """Processes, and what was submitted to them."""

    folder: Path
    database_url: str
    environment: dict[str, str]
    database: Database
    storage: FolderStorage
    user_id: str
    redis_process: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)
    # 0: the redis-server listens on its socket alone.
    redis_port: int = 0

    @property
    def socket(self) -> Path:
        """Where the redis-server listens."""
        return self.folder / "r.sock"

    def start_redis(self) -> None:
        """Start the redis-server and wait until it answers."""
        command = redis_command(find_redis_server(), self.folder, self.socket)
        command += ["--port", str(self.redis_port)]
        self.redis_process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        give_up_s = time.monotonic() + 15
        while time.monotonic() < give_up_s:
            with suppress(redis.RedisError), self.redis_client() as client:
                client.ping()
                return
            time.sleep(0.05)
        raise AssertionError("the redis-server does not come up")

    def kill_redis(self) -> None:
        """Kill the redis-server without warning."""
        assert self.redis_process is not None
        self.redis_process.kill()
        self.redis_process.wait()

    def redis_client(self) -> redis.Redis:
        """A client of the redis-server."""
        return redis.Redis(unix_socket_path=str(self.socket))

    def start_worker(
        self, *, sabotaged: str = "", failpoint: tuple[str, str] | None = None, **settings: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker with one process; a sabotaged one lacks the guard named, a failpoint is a step and a harm."""
        number = len(self.workers)
        module = ["tests.chaos.sabotage", sabotaged] if sabotaged else ["celery", "--quiet"]
        module = ["tests.chaos.failpoints", *failpoint] if failpoint else module
        with open(self.folder / f"worker{number}.log", "wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", *module, *ARGUMENTS, "-n", f"w{number}@%h"],
                cwd=ROOT,
                env=self.environment | settings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def submit(self, count: int) -> list[str]:
        """Store and queue phantoms, and ring for them."""
        stored = []
        for _ in range(count):
            content = cv2.imencode(".png", draw_phantom(random.randrange(8), side=256).pixels)[1].tobytes()
            kept = self.storage.put(io.BytesIO(content), limit_bytes=10**8)
            stored.append(StoredScan(kept.sha256, kept.size_bytes, "png"))
        ids = list(self.database.run(lambda c: submit(c, self.user_id, stored)).job_ids)
        self.submitted += ids
        ring(make_celery(self.environment["REDIS_URL"]), ids)
        return ids

    def flood(self, job_ids: list[str]) -> None:
        """Send a doorbell for each, needed or not."""
        app = make_celery(self.environment["REDIS_URL"])
        for job_id in job_ids:
            app.send_task(TASK_NAME, args=[{"v": MESSAGE_VERSION, "job_id": job_id}], queue=QUEUE_NAME)

    def busy_process(self) -> int:
        """The process number of a worker process that holds a job right now."""
        give_up_s = time.monotonic() + 30
        while time.monotonic() < give_up_s:
            with self.database.read() as connection:
                query = select(jobs.c.worker_id).where(jobs.c.status == "running")
                holders = connection.execute(query).scalars().all()
            for holder in holders:
                number = int(holder.split(":")[1])
                with suppress(ProcessLookupError):
                    os.kill(number, 0)
                    return number
            time.sleep(0.005)
        raise AssertionError("no worker process took a job")

    def wait_for_database(self) -> None:
        """Return once the database answers this process again, whose connections died with the server."""
        give_up_s = time.monotonic() + 60
        for connect in (self.database.read, self.database.transaction):
            while True:
                try:
                    with connect() as connection:
                        unfinished(connection)
                    break
                except DatabaseUnavailable:
                    assert time.monotonic() < give_up_s, "the database does not come back"
                    time.sleep(0.05)

    def unfinished(self) -> int:
        """How many jobs have not ended."""
        with self.database.read() as connection:
            return unfinished(connection)

    def settle(self, *, timeout_s: float = 90) -> float:
        """Wait until every job has ended; return the seconds that took."""
        start_s = time.monotonic()
        while left := self.unfinished():
            assert time.monotonic() - start_s < timeout_s, f"{left} jobs unfinished\n{self.logs()}"
            time.sleep(0.05)
        return time.monotonic() - start_s

    def broken_promises(self) -> list[str]:
        """Everything that must never be, found in the database."""
        with self.database.read() as connection:
            found = list(violations(connection))
            count = connection.execute(select(func.count()).select_from(jobs)).scalar_one()
            stored = set(connection.execute(select(scans.c.content_sha256)).scalars())
        lost = len(set(self.submitted)) - count
        for sha256 in stored:
            self.storage.get(sha256)
        return found + ([f"{lost} submitted jobs are lost"] if lost else [])

    def assert_all_succeeded_once(self) -> None:
        """Every submitted job succeeded, with one result."""
        assert self.broken_promises() == []
        with self.database.read() as connection:
            states = dict(connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status)).all())
            count = connection.execute(select(func.count()).select_from(results)).scalar_one()
        assert states == {"succeeded": len(self.submitted)}, self.logs()
        assert count == len(self.submitted)

    def logs(self) -> str:
        """The ends of the workers' logs."""
        return "\n".join(path.read_text()[-1500:] for path in sorted(self.folder.glob("worker*.log")))

    def stop_workers(self) -> None:
        """End every worker without warning."""
        for worker in self.workers:
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGCONT)
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()

    def stop(self) -> None:
        """End every process."""
        self.stop_workers()
        if self.redis_process:
            self.redis_process.send_signal(signal.SIGCONT)
            self.kill_redis()
        self.database.close()


@contextmanager
def open_cluster(
    folder: Path, database_url: str, *, worker_count: int = 2, redis_port: bool = False
) -> Iterator[Cluster]:
    """Start a cluster on an empty database, and end it; with `redis_port`, Redis listens on TCP too."""
    migrate(database_url)
    database, user_id = Database(database_url), new_id()
    with database.transaction() as connection:
        connection.execute(insert(users).values(id=user_id, name="ann", password_hash="-", created_ms=now_ms()))
    environment = os.environ | PACE | {
        "DATA_DIR": str(folder), "DATABASE_URL": database_url, "REDIS_URL": f"unix://{folder / 'r.sock'}",
        "STORAGE_URL": f"file://{folder / 'storage'}", "WORKERS": "1", "BATCH_SIZE": "4",
    }  # fmt: skip
    cluster = Cluster(folder, database_url, environment, database, FolderStorage(folder / "storage"), user_id)
    cluster.redis_port = free_port() if redis_port else 0
    try:
        cluster.start_redis()
        for _ in range(worker_count):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.stop()
