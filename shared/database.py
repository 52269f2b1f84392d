"""The database: one engine, short transactions, the database's own clock.

SQLite runs in WAL mode with full synchronisation and `BEGIN IMMEDIATE` (a deferred transaction that reads before it
writes fails at once with "database is locked"); MySQL and MariaDB run in READ COMMITTED.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from shared.errors import DatabaseUnavailable

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

BUSY_TIMEOUT_MS = 10_000
# 1205 lock wait timeout, 1213 deadlock: rolled back, safe to run again at once.
MYSQL_ROLLED_BACK = {1205, 1213}
MAX_TRIES = 5


class now_ms(FunctionElement[int]):  # noqa: N801  (reads as the SQL function it is)
    """The database's clock in SQL: milliseconds since 1970. No host's clock decides anything."""

    type = BigInteger()
    inherit_cache = True
    name = "now_ms"


@compiles(now_ms, "sqlite")
def _now_ms_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    # unixepoch('now','subsec') needs SQLite 3.42; julianday does not.
    return "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"


@compiles(now_ms, "mysql")
@compiles(now_ms, "mariadb")
def _now_ms_mysql(element: Any, compiler: Any, **kw: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"


class Database:
    """An engine with the two ways to use it: `transaction` to write, `read` to look."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = sqlite_engine(url) if self.is_sqlite else mysql_engine(url, pool_size)
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with translated_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reading; every statement sees the newest committed rows.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with translated_errors(), self._reader.connect() as connection:
            yield connection

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction, again after a deadlock or lock timeout.

        Raises:
            DatabaseUnavailable: the database does not answer, or deadlocks go on.
        """
        for attempt in range(MAX_TRIES):
            try:
                with translated_errors(), self.engine.begin() as connection:
                    return work(connection)
            except DatabaseUnavailable as error:
                if not was_rolled_back(error.__cause__) or attempt == MAX_TRIES - 1:
                    raise
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)
        raise AssertionError("unreachable")

    def forget_inherited_connections(self) -> None:
        """Leave the parent's sockets to the parent; to be called in a freshly forked child."""
        self.engine.dispose(close=False)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def sqlite_engine(url: str) -> Engine:
    """Make an engine for SQLite: WAL, full synchronisation, foreign keys, `BEGIN IMMEDIATE`."""
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def mysql_engine(url: str, pool_size: int) -> Engine:
    """Make an engine for MySQL or MariaDB: READ COMMITTED, UTC, strict mode, time-outs on every call."""
    engine = create_engine(
        make_url(url).update_query_dict({"charset": "utf8mb4"}),
        isolation_level="READ COMMITTED",
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=5,
        pool_recycle=280,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 3, "read_timeout": 30, "write_timeout": 30, "local_infile": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET time_zone='+00:00', innodb_lock_wait_timeout=5,"
                " sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
            )

    return engine


def was_rolled_back(error: BaseException | None) -> bool:
    """Tell whether the server undid the whole transaction, so that running it again is safe."""
    arguments: tuple[object, ...] = getattr(getattr(error, "orig", None), "args", ())
    return bool(arguments) and arguments[0] in MYSQL_ROLLED_BACK


def unavailable(error: DBAPIError) -> Exception:
    """Turn a driver's connection or locking error into ours; leave programming errors as they are."""
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        logger.warning("database unavailable error=%s", type(error.orig).__name__)
        return DatabaseUnavailable("The database does not answer; please try again in a moment.")
    return error


@contextmanager
def translated_errors() -> Iterator[None]:
    """Let driver errors leave as ours."""
    try:
        yield
    except DBAPIError as error:
        translated = unavailable(error)
        if translated is error:
            raise
        raise translated from error
    except PoolTimeout as error:
        raise DatabaseUnavailable("The database is busy; please try again in a moment.") from error
