"""Real parts for the tests: databases, storage, and where asked for the whole running system.

Every test that takes `database_url` runs on SQLite and, when a server is named by TEST_DATABASE_URL or answers on its
standard loopback port, on MySQL or MariaDB too. With CI=true a missing server is a failure.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from sqlalchemy import create_engine, insert, make_url, text
from sqlalchemy.exc import OperationalError

from shared.database import Database, now_ms
from shared.folder_storage import FolderStorage
from shared.identifiers import new_id
from shared.migrate import migrate
from shared.tables import users

LOCAL_DATABASE = "mysql+pymysql://root@127.0.0.1:3306/test"
LOCAL_REDIS = "redis://127.0.0.1:6379/15"
IN_CI = os.environ.get("CI") == "true"


def absent(what: str, error: Exception) -> None:
    """Skip at home, fail in CI."""
    if IN_CI:
        pytest.fail(f"{what} is required here and does not answer: {error}", pytrace=False)
    pytest.skip(f"{what} does not answer")


def pytest_report_header() -> list[str]:
    """Say what the tests run on."""
    mysql, redis_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    missing = "a missing server fails" if IN_CI else "a missing server skips"
    return [
        "databases: SQLite; "
        + ("MySQL by TEST_DATABASE_URL" if mysql else "MySQL on its loopback port, if it answers"),
        "brokers: embedded redis-server; "
        + ("TEST_REDIS_URL" if redis_url else "Redis on its loopback port, if it answers"),
        missing,
    ]


@pytest.fixture(scope="session")
def mysql_server() -> str:
    """The URL of a database on a real server, in which schemas may be created."""
    url = os.environ.get("TEST_DATABASE_URL", LOCAL_DATABASE)
    engine = create_engine(url, connect_args={"connect_timeout": 2})
    try:
        engine.connect().close()
    except (OperationalError, RuntimeError) as error:
        absent("MySQL or MariaDB", error)
    finally:
        engine.dispose()
    return url


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The URL of a real Redis."""
    import redis

    url = os.environ.get("TEST_REDIS_URL", LOCAL_REDIS)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        absent("Redis", error)
    return url


@pytest.fixture
def mysql_url(mysql_server: str) -> Iterator[str]:
    """A fresh schema on the real server, dropped after the test."""
    yield from fresh_schema(mysql_server)


@pytest.fixture(scope="module")
def module_mysql_url(mysql_server: str) -> Iterator[str]:
    """A fresh schema on the real server, dropped after the module."""
    yield from fresh_schema(mysql_server)


def fresh_schema(mysql_server: str) -> Iterator[str]:
    """Make a schema, yield its URL, drop it."""
    name = f"hepaq_{uuid.uuid4().hex[:12]}"
    engine = create_engine(mysql_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
    yield make_url(mysql_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "mysql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"
    return str(request.getfixturevalue("mysql_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with all tables."""
    migrate(database_url)
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def user_id(database: Database) -> str:
    """A user."""
    identifier = new_id()
    with database.transaction() as connection:
        connection.execute(insert(users).values(id=identifier, name="ann", password_hash="-", created_ms=now_ms()))
    return identifier


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    """An empty folder storage."""
    return FolderStorage(tmp_path / "storage")


ROOT = Path(__file__).parents[1]
START_S = 90
STOP_S = 40


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class RunningSystem:
    """The whole system as processes, and how to reach it."""

    url: str
    admin_name: str
    admin_password: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of our commands with the system's settings."""
        return subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120
        )

    def token(self, scope: str = "write") -> str:
        """A fresh API token of the admin."""
        done = self.command("-m", "flask", "--app", "web", "create-token", self.admin_name, "--scope", scope)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def database(self) -> Database:
        """The system's database, to look into."""
        return Database(self.environment["DATABASE_URL"])


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Look until something is so."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, f"after {timeout_s} s still not: {what}"
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Tell whether a page is served."""
    with suppress(URLError, OSError), urlopen(url, timeout=2) as response:
        return bool(response.status == 200)
    return False


def start_system(folder: Path, **settings: str) -> RunningSystem:
    """Start run.py with its data in a folder, and wait until it is ready."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL")}
    environment |= {
        "PORT": str(port),
        "DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'hepaq.sqlite3'}",
        "ADMIN_PASSWORD": "a long test password",
        "PYTHONPATH": str(ROOT),
    } | settings
    log = folder / "system.log"
    folder.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "run.py"], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    system = RunningSystem(url, "admin", environment["ADMIN_PASSWORD"], environment, process, log)
    try:
        wait_until(
            lambda: process.poll() is not None or answers(f"{url}/readyz"),
            timeout_s=START_S,
            what="the system is ready",
        )
        assert process.poll() is None, log.read_text()[-4000:]
    except AssertionError:
        stop_system(system)
        raise
    return system


def stop_system(system: RunningSystem) -> int:
    """Stop a system the way Ctrl-C does; return its exit status."""
    system.process.send_signal(signal.SIGINT)
    try:
        return system.process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(system.process.pid, signal.SIGKILL)
        raise


@pytest.fixture(scope="module", params=["embedded", "servers"])
def running_system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """The whole system: once on what it brings itself, once on a real database server and Redis."""
    folder = tmp_path_factory.mktemp("system")
    settings = {}
    if request.param == "servers":
        settings["DATABASE_URL"] = request.getfixturevalue("module_mysql_url")
        settings["REDIS_URL"] = request.getfixturevalue("redis_server")
    system = start_system(folder, **settings)
    yield system
    stop_system(system)
