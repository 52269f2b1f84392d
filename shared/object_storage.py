"""Storage in an object store, by URL through fsspec: `s3://bucket/prefix`.

Credentials come from the store's own variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`).
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

import fsspec

from shared.errors import StorageUnavailable
from shared.storage import CHUNK_BYTES, MissingObject, StoredObject, hashed_chunks, object_path, verified

# Scans up to this size are hashed in memory before they are sent under their name.
IN_MEMORY_BYTES = 8 * 1024 * 1024


class ObjectStorage:
    """Objects in a bucket. An object appears whole or not at all, which every such store promises."""

    def __init__(self, url: str) -> None:
        with translated_errors():
            self.files, self.root = fsspec.core.url_to_fs(url)

    def put(self, stream: BinaryIO, *, limit_bytes: int) -> StoredObject:
        """See Storage.put."""
        digest = hashlib.sha256()
        with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as spooled:
            for chunk in hashed_chunks(stream, digest, limit_bytes):
                spooled.write(chunk)
            size_bytes = spooled.tell()
            spooled.seek(0)
            with translated_errors(), self.files.open(self.path(digest.hexdigest()), "wb") as target:
                while chunk := spooled.read(CHUNK_BYTES):
                    target.write(chunk)
        return StoredObject(digest.hexdigest(), size_bytes)

    def get(self, sha256: str) -> bytes:
        """See Storage.get."""
        with translated_errors():
            try:
                content = self.files.cat_file(self.path(sha256))
            except FileNotFoundError as error:
                raise MissingObject(sha256) from error
        return verified(sha256, content)

    def delete(self, sha256: str, *, unused_for_s: float) -> bool:
        """See Storage.delete."""
        with translated_errors():
            # What another process put is not in this client's listing yet.
            self.files.invalidate_cache()
            try:
                if age_s(self.files.info(self.path(sha256))) < unused_for_s:
                    return False
                self.files.rm_file(self.path(sha256))
            except FileNotFoundError:
                # Gone already, which is what was asked for.
                return True
        return True

    def names(self, *, unused_for_s: float) -> Iterator[str]:
        """See Storage.names."""
        with translated_errors():
            self.files.invalidate_cache()
            found = self.files.find(self.root, detail=True)
        for path, facts in found.items():
            if age_s(facts) >= unused_for_s:
                yield path.rsplit("/", 1)[-1]

    def check(self) -> None:
        """See Storage.check."""
        with translated_errors():
            self.files.exists(self.root)

    def sweep(self, *, older_than_s: float) -> int:
        """See Storage.sweep. An object store drops interrupted uploads by itself."""
        return 0

    def path(self, sha256: str) -> str:
        """Return an object's key in the bucket."""
        return f"{self.root}/{object_path(sha256)}"


def age_s(facts: dict[str, Any]) -> float:
    """Return the seconds since an object was last put."""
    put_at: datetime = facts["LastModified"]
    return (datetime.now(UTC) - put_at).total_seconds()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Let the client's errors leave as ours; botocore raises OSError's and its own ClientError alike."""
    try:
        yield
    except MissingObject:
        raise
    except Exception as error:
        raise StorageUnavailable("The scan storage does not answer; please try again in a moment.") from error
