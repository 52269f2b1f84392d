"""The database: one engine, short transactions, the database's own clock.

SQLite runs in WAL mode with full synchronisation and `BEGIN IMMEDIATE` (a deferred transaction that reads before it
writes fails at once with "database is locked"); MySQL and MariaDB run in READ COMMITTED.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, TypeVar

from pymysql.err import MySQLError
from sqlalchemy import BigInteger, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from shared.errors import DatabaseUnavailable
from shared.forking import fork_guard

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

BUSY_TIMEOUT_MS = 10_000
# 1205 lock wait timeout, 1213 deadlock: rolled back, safe to run again at once.
MYSQL_ROLLED_BACK = {1205, 1213}
MAX_TRIES = 5
# A connection used so lately is taken for alive; asking each time was one question in three to the server.
PING_AFTER_S = 1.0


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
        # SQLite lets one write at a time, and the others sleep ever longer; within a process they queue instead.
        self._writing = threading.Lock()
        self.engine: Engine
        self.reader: Engine
        if self.is_sqlite:
            self.engine = sqlite_engine(url)
            self.reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            fork_guard.engines.add(self.engine)
        else:
            self.engine = mysql_engine(url, pool_size, isolation_level="READ COMMITTED")
            # Connections of its own: to switch one there and back takes four questions to the server for each read.
            self.reader = mysql_engine(url, pool_size, isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self._guarded(), self._turn(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reading; every statement sees the newest committed rows.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self._guarded(), self.reader.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a connection that sees everything as it was at its first look, and keeps nobody from writing.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        begin = "BEGIN" if self.is_sqlite else "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
        with self._guarded(), self.reader.connect() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.exec_driver_sql(begin)
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction, again after a deadlock or lock timeout.

        Raises:
            DatabaseUnavailable: the database does not answer, or deadlocks go on.
        """
        for attempt in range(MAX_TRIES):
            try:
                with self._guarded(), self._turn(), self.engine.begin() as connection:
                    return work(connection)
            except DatabaseUnavailable as error:
                if not was_rolled_back(error.__cause__) or attempt == MAX_TRIES - 1:
                    raise
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)
        raise AssertionError("unreachable")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with translated_errors(), fork_guard.in_use() if self.is_sqlite else nullcontext():
            yield

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._writing.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise DatabaseUnavailable("The database is busy; please try again in a moment.")
        try:
            yield
        finally:
            self._writing.release()

    def forget_inherited_connections(self) -> None:
        """Leave the parent's sockets to the parent; to be called in a freshly forked child."""
        for engine in (self.engine, self.reader):
            engine.dispose(close=False)

    def close(self) -> None:
        """Close every pooled connection."""
        for engine in (self.engine, self.reader):
            engine.dispose()


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


def mysql_engine(url: str, pool_size: int, *, isolation_level: Literal["READ COMMITTED", "AUTOCOMMIT"]) -> Engine:
    """Make an engine for MySQL or MariaDB: UTC, strict mode, time-outs on every call."""
    engine = create_engine(
        make_url(url).update_query_dict({"charset": "utf8mb4"}),
        isolation_level=isolation_level,
        # Every use ends its transaction itself; another ROLLBACK would only cost a question to the server.
        pool_reset_on_return=None,
        skip_autocommit_rollback=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=5,
        pool_recycle=280,
        connect_args={"connect_timeout": 3, "read_timeout": 30, "write_timeout": 30, "local_infile": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET time_zone='+00:00', innodb_lock_wait_timeout=5,"
                " sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
            )

    @event.listens_for(engine, "checkin")
    def note_use(connection: Any, record: Any) -> None:
        record.info["used_s"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping_if_idle(connection: Any, record: Any, _: Any) -> None:
        if time.monotonic() - record.info.get("used_s", time.monotonic()) < PING_AFTER_S:
            return
        try:
            connection.ping(reconnect=False)
        except (MySQLError, OSError) as error:
            raise InvalidatePoolError from error

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
