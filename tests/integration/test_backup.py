"""A copy holds everything, is of one moment, and comes back whole, on the same kind of database or the other."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from models.phantom import draw_phantom
from models.phantom_volume import draw_volume, to_nifti
from models.segmenter import Segmenter
from shared import backup
from shared.backup import CannotRestore
from shared.database import Database
from shared.folder_storage import FolderStorage
from shared.jobs.invariants import violations
from shared.jobs.submit import StoredScan, submit
from shared.migrate import migrate
from shared.settings import Settings, load_settings
from shared.storage import CorruptObject
from shared.tables import artifacts, metadata, slices, users
from tests.hostile.files import encoded
from worker.runtime import Runtime
from worker.sandbox import Sandbox
from worker.tasks import work_on_due

ROOT = Path(__file__).parents[2]


@pytest.fixture
def filled(database: Database, storage: FolderStorage, user_id: str, sandbox: Sandbox) -> Database:
    """A database with results of two jobs, and one that waits."""
    runtime = Runtime("host:1:a", load_settings({}), database, storage, Segmenter(ROOT / "models"), sandbox)
    upload(database, storage, user_id, 1)
    upload(database, storage, user_id, 2)
    work_on_due(runtime)
    upload(database, storage, user_id, 3)
    return database


def upload(database: Database, storage: FolderStorage, user_id: str, seed: int) -> None:
    content = encoded(draw_phantom(seed, side=128).pixels, "PNG")
    kept = storage.put(io.BytesIO(content), limit_bytes=10**7)
    database.run(lambda c: submit(c, user_id, [StoredScan(kept.sha256, kept.size_bytes, "png")], label="肝臓 🩻"))


def everything(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        return {t.name: sorted(map(repr, connection.execute(select(t)).all())) for t in metadata.sorted_tables}


@pytest.fixture(params=["sqlite", "mysql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The settings of another, empty installation."""
    folder = tmp_path / "elsewhere"
    url = f"sqlite:///{folder / 'db.sqlite3'}"
    if request.param == "mysql":
        url = str(request.getfixturevalue("other_mysql_url"))
    return load_settings({"DATA_DIR": str(folder), "DATABASE_URL": url})


@pytest.fixture
def other_mysql_url(module_mysql_url: str) -> str:
    """A second schema on the server, emptied."""
    database = Database(module_mysql_url)
    metadata.drop_all(database.engine)
    with database.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    database.close()
    return module_mysql_url


def test_what_was_saved_comes_back(
    filled: Database, storage: FolderStorage, elsewhere: Settings, tmp_path: Path
) -> None:
    assert backup.save(filled, storage, tmp_path / "copy") == 3

    assert backup.restore(elsewhere, tmp_path / "copy") == 3

    restored = Database(elsewhere.effective_database_url)
    assert everything(restored) == everything(filled)
    with restored.read() as connection:
        assert list(violations(connection)) == []
        assert connection.execute(select(func.count()).select_from(artifacts)).scalar_one() == 10
    there = FolderStorage(elsewhere.data_dir / "storage")
    assert sorted(there.names(unused_for_s=0)) == sorted(storage.names(unused_for_s=0))
    assert all(there.get(name) == storage.get(name) for name in there.names(unused_for_s=0))
    restored.close()


def test_the_slices_of_a_volume_come_back(
    database: Database, storage: FolderStorage, user_id: str, sandbox: Sandbox, elsewhere: Settings, tmp_path: Path
) -> None:
    kept = storage.put(io.BytesIO(to_nifti(draw_volume(1, side=64, slice_count=5))), limit_bytes=10**7)
    database.run(lambda c: submit(c, user_id, [StoredScan(kept.sha256, kept.size_bytes, "nifti")]))
    work_on_due(Runtime("host:1:a", load_settings({}), database, storage, Segmenter(ROOT / "models"), sandbox))

    backup.save(database, storage, tmp_path / "copy")
    backup.restore(elsewhere, tmp_path / "copy")

    restored = Database(elsewhere.effective_database_url)
    assert everything(restored) == everything(database)
    with restored.read() as connection:
        assert connection.execute(select(func.count()).select_from(slices)).scalar_one() == 5
    restored.close()


def test_nothing_is_overwritten(filled: Database, storage: FolderStorage, elsewhere: Settings, tmp_path: Path) -> None:
    backup.save(filled, storage, tmp_path / "copy")
    backup.restore(elsewhere, tmp_path / "copy")

    with pytest.raises(CannotRestore, match="already"):
        backup.restore(elsewhere, tmp_path / "copy")


def test_a_damaged_scan_is_noticed(filled: Database, storage: FolderStorage, tmp_path: Path) -> None:
    backup.save(filled, storage, tmp_path / "copy")
    scan = next((tmp_path / "copy" / "scans").glob("*/*"))
    scan.write_bytes(scan.read_bytes()[:-1] + b"?")

    with pytest.raises(CorruptObject):
        backup.restore(load_settings({"DATA_DIR": str(tmp_path / "elsewhere")}), tmp_path / "copy")


@pytest.mark.parametrize("harm", ["unfinished", "other"])
def test_what_is_no_copy_is_refused(filled: Database, storage: FolderStorage, tmp_path: Path, harm: str) -> None:
    backup.save(filled, storage, tmp_path / "copy")
    about = tmp_path / "copy" / "about.json"
    about.unlink() if harm == "unfinished" else about.write_text(json.dumps({"revision": "0000", "scans": 3}))

    with pytest.raises(CannotRestore, match="whole" if harm == "unfinished" else "revision"):
        backup.restore(load_settings({"DATA_DIR": str(tmp_path / "elsewhere")}), tmp_path / "copy")


def test_a_copy_is_of_one_moment(database: Database, make_user: Callable[[Database], str]) -> None:
    """What is written after the first look is not in it, and nobody waits for it."""
    make_user(database)
    with database.snapshot() as connection:
        count = select(func.count()).select_from(users)
        before = connection.execute(count).scalar_one()
        make_user(database)
        assert connection.execute(count).scalar_one() == before
    with database.read() as connection:
        assert connection.execute(count).scalar_one() == before + 1


@pytest.fixture
def make_user() -> Callable[[Database], str]:
    """Make users with names of their own."""
    from web.accounts import create_user

    numbers = iter(range(100))
    return lambda database: database.run(lambda c: create_user(c, f"user{next(numbers)}", "a long test password"))


def test_the_commands_save_and_restore(tmp_path: Path) -> None:
    here, there, copy = (tmp_path / name for name in ("here", "there", "copy"))
    migrate(load_settings({"DATA_DIR": str(here)}).effective_database_url)

    def run(what: str, folder: Path) -> subprocess.CompletedProcess[str]:
        environment = {"DATA_DIR": str(folder), "PATH": ""}
        command = [sys.executable, "-m", "shared.backup", what, str(copy)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert "Saved" in run("save", here).stdout
    assert "Restored" in run("restore", there).stdout
    again = run("restore", there)
    assert again.returncode == 0  # nothing was there: neither users nor scans
    (copy / "about.json").unlink()
    assert (run("restore", there).returncode, "whole copy" in run("restore", there).stderr) == (1, True)
