"""Where scans lie: objects named by the SHA-256 of their content, in a folder or in an object store."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from shared.errors import ScanTooLarge

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class StoredObject:
    """An object that is durable."""

    sha256: str
    size_bytes: int


class Storage(Protocol):
    """What web and worker ask of storage. All methods raise StorageUnavailable when it does not answer."""

    def put(self, stream: BinaryIO, *, limit_bytes: int) -> StoredObject:
        """Store a stream durably; the same content is stored once.

        Raises:
            ScanTooLarge: the stream has more than `limit_bytes`; nothing is left behind.
            StorageFull: no space is left; nothing is left behind.
        """

    def get(self, sha256: str) -> bytes:
        """Return an object's bytes, checked against its name.

        Raises:
            MissingObject: there is no such object.
            CorruptObject: its bytes do not match its name.
        """

    def delete(self, sha256: str, *, unused_for_s: float) -> bool:
        """Remove an object, unless it was put less than `unused_for_s` ago.

        Somebody who uploads the same bytes puts the object before the row that refers to it is there; young objects
        are left alone so that this upload does not lose them.

        Returns:
            Whether it is gone now.
        """

    def names(self, *, unused_for_s: float) -> Iterator[str]:
        """Yield the names of all objects that were last put at least `unused_for_s` ago."""

    def check(self) -> None:
        """Raise StorageUnavailable unless objects can be read and written."""

    def sweep(self, *, older_than_s: float) -> int:
        """Remove what interrupted uploads left behind, and return how many."""


class MissingObject(Exception):
    """There is no object of that name."""


class CorruptObject(Exception):
    """An object's bytes do not match its name."""


def open_storage(url: str) -> Storage:
    """Return the storage behind a URL: `file:///folder`, or any object store that fsspec knows, `s3://bucket/prefix`."""
    if urlsplit(url).scheme == "file":
        from shared.folder_storage import FolderStorage

        return FolderStorage(urlsplit(url).path)
    # Imported here: the client of an object store is slow to load and needed by few.
    from shared.object_storage import ObjectStorage

    return ObjectStorage(url)


def object_path(sha256: str) -> str:
    """Return an object's path: two levels of folders keep each small with a million objects."""
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def hashed_chunks(stream: BinaryIO, digest: "hashlib._Hash", limit_bytes: int) -> Iterator[bytes]:
    """Yield a stream's chunks while hashing them.

    Raises:
        ScanTooLarge: more than `limit_bytes` came.
    """
    size_bytes = 0
    while chunk := stream.read(CHUNK_BYTES):
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise ScanTooLarge(f"A scan may have at most {limit_bytes:,} bytes.", limit_bytes=limit_bytes)
        digest.update(chunk)
        yield chunk


def verified(sha256: str, content: bytes) -> bytes:
    """Return the content if it is what its name says.

    Raises:
        CorruptObject: it is not.
    """
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CorruptObject(sha256)
    return content
