"""Real parts for the tests: databases, storage, and where asked for the whole running system.

Every test that takes `database_url` runs on SQLite and, when a server is named by TEST_DATABASE_URL or answers on its
standard loopback port, on MySQL or MariaDB too. With CI=true a missing server is a failure.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from shared.database import Database
from shared.folder_storage import FolderStorage
from shared.migrate import migrate

LOCAL_DATABASE = "mysql+pymysql://root@127.0.0.1:3306/test"
LOCAL_REDIS = "redis://127.0.0.1:6379/15"
IN_CI = os.environ.get("CI") == "true"


def absent(what: str, error: Exception) -> None:
    """Skip at home, fail in CI."""
    if IN_CI:
        pytest.fail(f"{what} is required here and does not answer: {error}", pytrace=False)
    pytest.skip(f"{what} does not answer")


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
    """A fresh schema on the real server, dropped afterwards."""
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
def storage(tmp_path: Path) -> FolderStorage:
    """An empty folder storage."""
    return FolderStorage(tmp_path / "storage")
