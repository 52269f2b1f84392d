"""Storage: whole or absent, in a folder and in an object store."""

import hashlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from shared.errors import ScanTooLarge, StorageFull, StorageUnavailable
from shared.folder_storage import FolderStorage
from shared.storage import CorruptObject, MissingObject, Storage, object_path, open_storage

CONTENT = b"a scan" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of a server that speaks the S3 protocol."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def any_storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A storage of each kind."""
    if request.param == "folder":
        return open_storage(f"file://{tmp_path / 'storage'}")
    endpoint = request.getfixturevalue("object_store")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"scans-{tmp_path.name.replace('_', '-').lower()}"[:60].rstrip("-")
    storage = open_storage(f"s3://{bucket}/hepaq")
    storage.files.mkdir(bucket)  # type: ignore[attr-defined]
    return storage


def test_what_is_put_can_be_got(any_storage: Storage) -> None:
    stored = any_storage.put(io.BytesIO(CONTENT), limit_bytes=10_000)

    assert (stored.sha256, stored.size_bytes) == (SHA256, len(CONTENT))
    assert any_storage.get(SHA256) == CONTENT


def test_the_same_content_is_stored_once(any_storage: Storage) -> None:
    for _ in range(2):
        any_storage.put(io.BytesIO(CONTENT), limit_bytes=10_000)

    assert list(any_storage.names(unused_for_s=0)) == [SHA256]
    assert any_storage.delete(SHA256, unused_for_s=0)
    assert any_storage.delete(SHA256, unused_for_s=0)

    with pytest.raises(MissingObject):
        any_storage.get(SHA256)


def test_what_was_put_just_now_is_not_removed(any_storage: Storage) -> None:
    any_storage.put(io.BytesIO(CONTENT), limit_bytes=10_000)

    assert not any_storage.delete(SHA256, unused_for_s=60)
    assert list(any_storage.names(unused_for_s=60)) == []
    assert any_storage.get(SHA256) == CONTENT


def test_too_much_is_refused_and_leaves_nothing(any_storage: Storage) -> None:
    with pytest.raises(ScanTooLarge):
        any_storage.put(io.BytesIO(CONTENT), limit_bytes=len(CONTENT) - 1)

    with pytest.raises(MissingObject):
        any_storage.get(SHA256)


def test_a_storage_that_passes_its_check_can_be_used(any_storage: Storage) -> None:
    any_storage.check()

    assert any_storage.put(io.BytesIO(CONTENT), limit_bytes=10_000).sha256 == SHA256


def test_a_refused_upload_leaves_no_file(storage: FolderStorage) -> None:
    with pytest.raises(ScanTooLarge):
        storage.put(io.BytesIO(CONTENT), limit_bytes=10)

    assert list(storage.incoming.iterdir()) == []


def test_a_flipped_bit_is_noticed(storage: FolderStorage) -> None:
    storage.put(io.BytesIO(CONTENT), limit_bytes=10_000)
    path = storage.objects / object_path(SHA256)
    path.write_bytes(b"A" + CONTENT[1:])

    with pytest.raises(CorruptObject):
        storage.get(SHA256)


def test_putting_again_heals_a_damaged_object(storage: FolderStorage) -> None:
    storage.put(io.BytesIO(CONTENT), limit_bytes=10_000)
    (storage.objects / object_path(SHA256)).write_bytes(b"")

    storage.put(io.BytesIO(CONTENT), limit_bytes=10_000)

    assert storage.get(SHA256) == CONTENT


def test_a_full_disk_is_told_and_leaves_nothing(storage: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)

    with pytest.raises(StorageFull):
        storage.put(io.BytesIO(CONTENT), limit_bytes=10_000)
    assert list(storage.incoming.iterdir()) == []
    assert not list(storage.objects.rglob(SHA256)) if storage.objects.exists() else True


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageUnavailable):
        FolderStorage(tmp_path / "file").put(io.BytesIO(CONTENT), limit_bytes=10_000)
    with pytest.raises(StorageUnavailable):
        FolderStorage(tmp_path / "file").check()


def test_old_interrupted_uploads_are_swept_and_young_ones_kept(storage: FolderStorage) -> None:
    storage.check()
    old, young = storage.incoming / "old", storage.incoming / "young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)

    assert storage.sweep(older_than_s=3600) == 1
    assert young.exists()
    assert not old.exists()
