"""The product as it is delivered: `run.py`, its web server, its workers, its broker, its database."""

import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import create_engine, make_url, text

from bench.processes import environment_for, family_of, free_port, running, wait_until_it_answers
from bench.target import Target

ROOT = Path(__file__).parents[1]
PARTS = ("web", "worker", "decoder", "worker main", "redis")


@dataclass(frozen=True)
class Product:
    """The running product.

    Attributes:
        target: where the load goes.
        environment: its settings, for our commands.
        folder: its data.
        ready_s: from the start of `run.py` to the first good answer of `/readyz`.
    """

    target: Target
    environment: dict[str, str]
    folder: Path
    ready_s: float

    def parts(self) -> dict[str, list[psutil.Process]]:
        """Its processes by what they do: web, worker (those that compute), their decoders, their main one, redis."""
        found: dict[str, list[psutil.Process]] = {name: [] for name in PARTS}
        for process in family_of(self.target.pids[0]):
            part = part_of(process)
            if part:
                found[part].append(process)
        return found


def part_of(process: psutil.Process) -> str | None:
    """Tell what a process of ours does; None for gunicorn's own main process and for run.py."""
    try:
        words, parent = " ".join(process.cmdline()), process.parent()
        above = " ".join(parent.cmdline()) if parent else ""
    except psutil.Error:
        return None
    if "redis-server" in words:
        return "redis"
    if "worker.decoder" in words:
        return "decoder"
    if "worker.app" in words:
        return "worker" if "worker.app" in above else "worker main"
    return "web" if "web.wsgi" in words and "web.wsgi" in above else None


@contextmanager
def running_product(*, workers: int, database_url: str = "", redis_url: str = "") -> Iterator[Product]:
    """Start the product on empty data, with lifted quotas, and end it.

    Args:
        workers: worker processes.
        database_url: a server, on which a schema is made and dropped; empty for SQLite.
        redis_url: a server; empty for the embedded one.
    """
    with tempfile.TemporaryDirectory(prefix="hepaq-bench-") as name, schema(database_url) as schema_url:
        folder = Path(name)
        environment = settings(folder, workers, schema_url, redis_url)
        # Warm: byte code compiled, tables made, as on the second day.
        subprocess.run(command("prepare"), cwd=ROOT, env=environment, check=True, capture_output=True)
        with start(folder, environment) as product:
            yield product


@contextmanager
def start(folder: Path, environment: dict[str, str]) -> Iterator[Product]:
    """Start `run.py` with these settings; it is ready when this returns."""
    log, url = folder / "run.log", f"http://127.0.0.1:{environment['PORT']}"
    begin_s = time.perf_counter()
    with running([sys.executable, "run.py"], log=log, env=environment, cwd=ROOT) as process:
        wait_until_it_answers(f"{url}/readyz", process, log=log)
        ready_s = time.perf_counter() - begin_s
        made = subprocess.run(
            command("create-token", "admin"), cwd=ROOT, env=environment, check=True, capture_output=True, text=True
        )
        target = Target(f"{url}/api/v1/jobs", None, True, made.stdout.strip(), (process.pid,))
        yield Product(target, environment, folder, ready_s)


def command(*words: str) -> list[str]:
    """Return one of our Flask commands."""
    return [sys.executable, "-m", "flask", "--app", "web", *words]


def settings(folder: Path, workers: int, database_url: str, redis_url: str) -> dict[str, str]:
    """Return the settings of a product in a folder."""
    return environment_for(
        ROOT,
        DATA_DIR=str(folder / "data"),
        PORT=str(free_port()),
        WORKERS=str(workers),
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        STORAGE_URL="",
        ADMIN_PASSWORD="a password for the bench",
        MAX_ACTIVE_JOBS="100000",
        MAX_SCANS_PER_MIN="0",
    )


@contextmanager
def schema(server_url: str) -> Iterator[str]:
    """Make a schema on a server and drop it after; nothing for SQLite."""
    if not server_url:
        yield ""
        return
    name = f"hepaq_bench_{uuid.uuid4().hex[:8]}"
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
        engine.dispose()
