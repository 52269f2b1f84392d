"""What users store is kept right, however uploads and clearing away cross each other."""

from pathlib import Path
from threading import Barrier, Thread

from alembic import command
from sqlalchemy import insert, select, update

from shared.database import Database
from shared.folder_storage import FolderStorage
from shared.jobs.control import delete_job
from shared.jobs.invariants import violations
from shared.jobs.submit import StoredScan, submit
from shared.jobs.usage import SLOTS, STORED_BYTES
from shared.migrate import configured, migrate
from shared.tables import scans, usage, users
from worker.garbage import purge_scans


def upload(database: Database, user_id: str, size_bytes: int, name: str = "a") -> str:
    stored = [StoredScan(name * 64, size_bytes, "png")]
    return database.run(lambda c: submit(c, user_id, stored)).job_ids[0]


def total(database: Database, user_id: str) -> int:
    with database.read() as connection:
        return int(connection.execute(select(STORED_BYTES), {"user_id": user_id}).scalar_one())


def test_uploads_add_and_clearing_away_takes(database: Database, storage: FolderStorage, user_id: str) -> None:
    first = upload(database, user_id, 100)
    upload(database, user_id, 11, "b")
    assert total(database, user_id) == 111

    database.run(lambda c: delete_job(c, user_id, first))
    assert total(database, user_id) == 111  # the bytes are still there

    assert purge_scans(database, storage) == 1
    assert purge_scans(database, storage) == 0
    assert total(database, user_id) == 11
    with database.read() as connection:
        assert list(violations(connection)) == []


def test_uploads_side_by_side_are_all_counted(database: Database, user_id: str) -> None:
    barrier = Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(5):
            upload(database, user_id, 7)

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert total(database, user_id) == 8 * 5 * 7
    with database.read() as connection:
        assert 1 < len(connection.execute(select(usage)).all()) <= SLOTS
        assert list(violations(connection)) == []


def test_two_keepers_free_a_scan_once(database: Database, storage: FolderStorage, user_id: str) -> None:
    job = upload(database, user_id, 100)
    database.run(lambda c: delete_job(c, user_id, job))

    keepers = [Thread(target=purge_scans, args=(database, storage)) for _ in range(4)]
    for keeper in keepers:
        keeper.start()
    for keeper in keepers:
        keeper.join()

    assert total(database, user_id) == 0


def test_a_wrong_sum_is_a_broken_promise(database: Database, user_id: str) -> None:
    upload(database, user_id, 100)
    with database.transaction() as connection:
        connection.execute(update(usage).values(stored_bytes=99))

    with database.read() as connection:
        assert list(violations(connection)) == [f"user {user_id}: stores 100 bytes, 99 are noted"]


def test_what_was_stored_before_the_table_was_there_is_counted_once(database_url: str, tmp_path: Path) -> None:
    with configured(database_url) as config:
        command.upgrade(config, "0002")
    database = Database(database_url)
    with database.transaction() as connection:
        connection.execute(insert(users).values(id="u" * 26, name="ann", password_hash="-", created_ms=0))
        row = {"user_id": "u" * 26, "content_sha256": "a" * 64, "format": "png", "created_ms": 0}
        rows = [row | {"id": str(n) * 26, "size_bytes": 10, "purged_ms": 1 if n == 2 else None} for n in range(3)]
        connection.execute(insert(scans), rows)

    migrate(database_url)

    assert total(database, "u" * 26) == 20
    database.close()
