"""No space left: nothing half stored, a clear answer, and all is well once there is space again."""

import io
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from shared.errors import StorageFull
from shared.folder_storage import FolderStorage
from shared.tables import jobs
from web.context import Context


@contextmanager
def largest_file(bytes_: int) -> Iterator[None]:
    """Let this process write no larger file: the disk full for those who may not mount one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_store_that_is_full_keeps_nothing_of_a_scan(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)

    with largest_file(4096), pytest.raises(StorageFull):
        storage.put(io.BytesIO(os.urandom(20_000)), limit_bytes=10**6)

    assert files_in(tmp_path) == []
    storage.put(io.BytesIO(os.urandom(20_000)), limit_bytes=10**6)


def test_a_small_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing may be mounted here; the limit on file sizes stands in")
    try:
        storage = FolderStorage(disk)
        kept = storage.put(io.BytesIO(os.urandom(100_000)), limit_bytes=10**6)

        with pytest.raises(StorageFull):
            storage.put(io.BytesIO(os.urandom(400_000)), limit_bytes=10**6)

        assert [path.name for path in files_in(disk)] == [kept.sha256]
        assert storage.get(kept.sha256)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_upload_to_a_full_store_is_refused_and_makes_no_job(
    client: FlaskClient, ann: dict[str, str], scan_png: bytes, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    put: Callable[..., object] = FolderStorage.put

    def full_put(self: FolderStorage, *args: object, **kwargs: object) -> object:
        with largest_file(1024):
            return put(self, *args, **kwargs)

    monkeypatch.setattr(FolderStorage, "put", full_put)
    headers = ann | {"Content-Type": "image/png"}
    refused = client.post("/api/v1/jobs", data=scan_png, headers=headers)
    monkeypatch.undo()

    assert refused.status_code == 507
    assert refused.json["code"] == "storage_full"
    with context.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(jobs)).scalar_one() == 0
    assert files_in(context.storage.incoming) == []
    assert client.post("/api/v1/jobs", data=scan_png, headers=headers).status_code == 202
