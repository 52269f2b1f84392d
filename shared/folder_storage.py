"""Storage in a local or shared folder: written aside, flushed, then renamed, so that an object is whole or absent."""

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.errors import StorageFull, StorageUnavailable
from shared.identifiers import new_id
from shared.storage import MissingObject, StoredObject, hashed_chunks, object_path, verified

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FolderStorage:
    """Objects under `<root>/objects`, unfinished ones under `<root>/incoming`, on one file system."""

    def __init__(self, root: str | Path) -> None:
        self.objects = Path(root) / "objects"
        self.incoming = Path(root) / "incoming"

    def put(self, stream: BinaryIO, *, limit_bytes: int) -> StoredObject:
        """See Storage.put. Durable on return: file and folder entries are flushed to disk."""
        digest = hashlib.sha256()
        with translated_errors():
            self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = self.incoming / new_id()
        try:
            with translated_errors(), open(aside, "xb", opener=owner_only) as file:
                for chunk in hashed_chunks(stream, digest, limit_bytes):
                    file.write(chunk)
                file.flush()
                size_bytes = file.tell()
                os.fsync(file.fileno())
            target = self.objects / object_path(digest.hexdigest())
            with translated_errors():
                self.publish(aside, target)
        finally:
            aside.unlink(missing_ok=True)
        return StoredObject(digest.hexdigest(), size_bytes)

    def publish(self, aside: Path, target: Path) -> None:
        """Give a flushed file its final name and flush the folders that changed.

        An existing object is replaced by the same bytes, which also heals one that was damaged and tells the
        garbage collection that it was wanted just now.
        """
        missing = [folder for folder in (target.parent, target.parent.parent, self.objects) if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.rename(aside, target)
        for folder in [target.parent, *(folder.parent for folder in missing)]:
            flush_folder(folder)

    def get(self, sha256: str) -> bytes:
        """See Storage.get."""
        with translated_errors():
            try:
                content = (self.objects / object_path(sha256)).read_bytes()
            except FileNotFoundError as error:
                raise MissingObject(sha256) from error
        return verified(sha256, content)

    def delete(self, sha256: str, *, unused_for_s: float) -> bool:
        """See Storage.delete."""
        path = self.objects / object_path(sha256)
        with translated_errors():
            if path.exists() and time.time() - path.stat().st_mtime < unused_for_s:
                return False
            path.unlink(missing_ok=True)
        return True

    def names(self, *, unused_for_s: float) -> Iterator[str]:
        """See Storage.names."""
        with translated_errors():
            for path in self.objects.glob("*/*/*"):
                if time.time() - path.stat().st_mtime >= unused_for_s:
                    yield path.name

    def check(self) -> None:
        """See Storage.check."""
        with translated_errors():
            self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(self.incoming, os.W_OK):
                raise StorageUnavailable("The scan storage cannot be written.")

    def sweep(self, *, older_than_s: float) -> int:
        """See Storage.sweep."""
        removed = 0
        with translated_errors():
            for path in self.incoming.glob("*"):
                if time.time() - path.stat().st_mtime > older_than_s:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed


def owner_only(path: str, flags: int) -> int:
    """Open a file for its owner alone, never through a link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def flush_folder(folder: Path) -> None:
    """Make a folder's entries survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Let the system's errors leave as ours."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull("The scan storage is full; please tell your administrator.") from error
        raise StorageUnavailable("The scan storage does not answer; please try again in a moment.") from error
