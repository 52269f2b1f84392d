"""Bring the database to the newest revision; run at every start, under a lock, so that two starts do not collide.

`python -m shared.migrate` migrates; `python -m shared.migrate revision "message"` writes a new revision.
"""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, make_url, text

from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.settings import load_settings

SCRIPTS = Path(__file__).parent / "migrations"
LOCK_NAME = "hepaq_migrate"
LOCK_WAIT_S = 120


def migrate(url: str) -> None:
    """Create or upgrade every table.

    Raises:
        DatabaseUnavailable: the database does not answer, or another migration holds the lock for too long.
    """
    with configured(url) as config:
        command.upgrade(config, "head")


@contextmanager
def configured(url: str) -> Iterator[Config]:
    """Yield Alembic's configuration on a locked connection."""
    make_folder(url)
    database = Database(url)
    try:
        with locked(url, database) as connection:
            config = Config()
            config.set_main_option("script_location", str(SCRIPTS))
            config.attributes["connection"] = connection
            yield config
    finally:
        database.close()


def make_folder(url: str) -> None:
    """Make the folder an SQLite file lies in, readable by its owner alone."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextmanager
def locked(url: str, database: Database) -> Iterator[Connection]:
    """Hold the migration lock: a file beside an SQLite database, a named lock on a server."""
    if database.is_sqlite:
        with open(f"{make_url(url).database}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with database.transaction() as connection:
                yield connection
        return
    # DDL commits by itself on MySQL, so the lock is the session's, not the transaction's.
    with database.transaction() as connection:
        got = connection.execute(text("SELECT GET_LOCK(:name, :wait)"), {"name": LOCK_NAME, "wait": LOCK_WAIT_S})
        if got.scalar_one() != 1:
            raise DatabaseUnavailable("Another start is changing the database; please try again in a moment.")
        try:
            yield connection
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK_NAME})


def main() -> None:
    """Migrate, or write a revision from the difference between the tables and the database."""
    url = load_settings().effective_database_url
    if sys.argv[1:2] == ["revision"]:
        with configured(url) as config:
            command.revision(config, message=sys.argv[2], autogenerate=True)
    else:
        migrate(url)


if __name__ == "__main__":
    main()
