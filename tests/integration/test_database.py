"""One writer at a time on SQLite, whoever the others are; a connection that died while it rested is replaced."""

import threading
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, select, text

import shared.database
from shared.database import Database, now_ms
from shared.errors import DatabaseUnavailable
from shared.migrate import migrate
from shared.tables import users


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database in a file whose writers lose patience soon."""
    monkeypatch.setattr(shared.database, "BUSY_TIMEOUT_MS", 200)
    url = f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"
    migrate(url)
    database = Database(url)
    yield database
    database.close()


def add(connection, name: str) -> None:
    connection.execute(insert(users).values(id=name.zfill(26), name=name, password_hash="-", created_ms=now_ms()))


@pytest.mark.parametrize("own", [True, False], ids=["of this process", "of another"])
def test_a_writer_that_takes_too_long_is_not_waited_for(sqlite: Database, own: bool) -> None:
    another = sqlite if own else Database(str(sqlite.engine.url))
    with sqlite.transaction() as connection:
        add(connection, "ann")
        errors: list[Exception] = []

        def wait() -> None:
            try:
                another.run(partial(add, name="bob"))
            except DatabaseUnavailable as error:
                errors.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(10)
        assert len(errors) == 1

    another.run(partial(add, name="bob"))
    with sqlite.read() as connection:
        assert set(connection.execute(select(users.c.name)).scalars()) == {"ann", "bob"}


def test_many_writers_all_write(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.database, "BUSY_TIMEOUT_MS", 30_000)
    threads = [threading.Thread(target=sqlite.run, args=(partial(add, name=f"u{n}"),)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    with sqlite.read() as connection:
        assert len(connection.execute(select(users.c.name)).all()) == 40


@pytest.mark.parametrize("kind", ["read", "transaction"])
def test_a_connection_that_died_while_it_rested_is_replaced(
    mysql_url: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(mysql_url)
    database = Database(mysql_url)
    with getattr(database, kind)() as connection:
        number = connection.execute(text("SELECT CONNECTION_ID()")).scalar_one()
    admin = create_engine(mysql_url)
    with admin.connect() as connection:
        connection.execute(text(f"KILL {number}"))
    admin.dispose()
    monkeypatch.setattr(shared.database, "PING_AFTER_S", 0.0)

    with getattr(database, kind)() as connection:
        assert connection.execute(text("SELECT CONNECTION_ID()")).scalar_one() != number
    database.close()
