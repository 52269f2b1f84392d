"""What a power cut would leave: an object has its name only after its bytes are on the disk."""

import io
import os
from pathlib import Path

import pytest

import shared.folder_storage
from shared.folder_storage import FolderStorage


def order_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Store one object and return what was asked of the disk, in order."""
    asked = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(descriptor: int) -> None:
        asked.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def noted_rename(source: Path, target: Path) -> None:
        asked.append("name")
        rename(source, target)

    monkeypatch.setattr(shared.folder_storage.os, "fsync", noted_fsync)
    monkeypatch.setattr(shared.folder_storage.os, "rename", noted_rename)
    FolderStorage(tmp_path).put(io.BytesIO(b"scan"), limit_bytes=100)
    return asked


def is_durable(asked: list[str]) -> bool:
    """Bytes first, then the name, then the folder that holds it."""
    return "name" in asked and "file" in asked[: asked.index("name")] and "folder" in asked[asked.index("name") :]


def test_bytes_are_flushed_before_the_name_and_the_name_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_durable(order_of(tmp_path, monkeypatch))


def test_a_store_that_flushes_no_folder_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.folder_storage, "flush_folder", lambda folder: None)

    assert not is_durable(order_of(tmp_path, monkeypatch))


@pytest.mark.parametrize("asked", [["name", "file", "folder"], ["name", "folder"], ["file", "name"], []])
def test_other_orders_are_noticed(asked: list[str]) -> None:
    assert not is_durable(asked)
