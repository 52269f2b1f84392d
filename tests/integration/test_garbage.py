"""What is cleared away, and above all what is not."""

import io
import os
import time
from pathlib import Path

import pytest
from sqlalchemy import select, update

from shared.database import Database
from shared.folder_storage import FolderStorage
from shared.jobs import control
from shared.jobs.submit import StoredScan, submit
from shared.settings import load_settings
from shared.storage import MissingObject, object_path
from shared.tables import jobs
from worker.garbage import collect_garbage, collect_orphans

SETTINGS = load_settings({"RETENTION_DAYS": "30"})
HOURS_2 = 7200


def store(storage: FolderStorage, content: bytes, *, age_s: float = HOURS_2) -> str:
    stored = storage.put(io.BytesIO(content), limit_bytes=10**6)
    path: Path = storage.objects / object_path(stored.sha256)
    os.utime(path, (time.time() - age_s,) * 2)
    return stored.sha256


def submit_one(database: Database, user_id: str, sha256: str) -> str:
    return database.run(lambda c: submit(c, user_id, [StoredScan(sha256, 10, "png")])).job_ids[0]


def delete(database: Database, user_id: str, job_id: str) -> None:
    database.run(lambda c: control.delete_job(c, user_id, job_id))


def test_a_deleted_jobs_scan_goes(database: Database, storage: FolderStorage, user_id: str) -> None:
    sha256 = store(storage, b"a")
    delete(database, user_id, submit_one(database, user_id, sha256))

    collect_garbage(database, storage, SETTINGS)

    with pytest.raises(MissingObject):
        storage.get(sha256)


def test_a_scan_that_another_job_needs_stays(database: Database, storage: FolderStorage, user_id: str) -> None:
    sha256 = store(storage, b"a")
    first, second = (submit_one(database, user_id, sha256) for _ in range(2))

    delete(database, user_id, first)
    collect_garbage(database, storage, SETTINGS)
    assert storage.get(sha256) == b"a"

    delete(database, user_id, second)
    collect_garbage(database, storage, SETTINGS)
    with pytest.raises(MissingObject):
        storage.get(sha256)


def test_a_scan_that_is_being_uploaded_again_stays(database: Database, storage: FolderStorage, user_id: str) -> None:
    sha256 = store(storage, b"a")
    delete(database, user_id, submit_one(database, user_id, sha256))

    # The bytes are there again; their row is not yet.
    store(storage, b"a", age_s=0)
    collect_garbage(database, storage, SETTINGS)
    job_id = submit_one(database, user_id, sha256)

    assert storage.get(sha256) == b"a"
    assert job_id


def test_finished_jobs_past_the_retention_lose_their_pixels(
    database: Database, storage: FolderStorage, user_id: str
) -> None:
    old, young = (store(storage, content) for content in (b"old", b"young"))
    old_job, young_job = (submit_one(database, user_id, sha256) for sha256 in (old, young))
    for job_id in (old_job, young_job):
        database.run(lambda c, job_id=job_id: control.cancel(c, user_id, job_id))
    with database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == old_job).values(finished_ms=1))

    collect_garbage(database, storage, SETTINGS)

    assert storage.get(young) == b"young"
    with pytest.raises(MissingObject):
        storage.get(old)
    with database.read() as connection:
        assert len(connection.execute(select(jobs)).all()) == 2


def test_objects_without_a_scan_go_after_a_day(database: Database, storage: FolderStorage, user_id: str) -> None:
    day_s = 90_000
    orphan, wanted = store(storage, b"orphan", age_s=day_s), store(storage, b"wanted", age_s=day_s)
    young = store(storage, b"young")
    submit_one(database, user_id, wanted)

    assert collect_orphans(database, storage) == 1

    assert storage.get(wanted) and storage.get(young)
    with pytest.raises(MissingObject):
        storage.get(orphan)
