"""A worker's child is born while the keeper's thread writes."""

import os
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import update

import shared.database
from shared.database import Database
from shared.migrate import migrate
from shared.tables import users


def test_a_child_forked_during_a_transaction_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.database, "BUSY_TIMEOUT_MS", 1000)
    url = f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"
    migrate(url)
    database, begun = Database(url), threading.Event()

    def write_slowly() -> None:
        with database.transaction() as connection:
            connection.execute(update(users).values(name="keeper"))
            begun.set()
            time.sleep(0.5)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    begun.wait()
    child = os.fork()
    if not child:
        status = 1
        try:
            Database(url).run(lambda c: c.execute(update(users).values(name="child")))
            status = 0
        finally:
            os._exit(status)
    writer.join()
    database.close()

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
