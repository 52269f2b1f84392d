"""Take in an archive of DICOM slices: bounded in every way, without the person, and its files' names forgotten.

What the directory of an archive says is believed in nothing: how much a file holds is counted while it is unpacked.

Source: APPNOTE.TXT of PKWARE, 4.3.16 for the record at the end.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from shared.errors import UnreadableScan
from web.dicom_header import META_BYTES, PREAMBLE_BYTES, check_dicom

STARTS = (b"PK\x03\x04", b"PK\x05\x06")
# The slices that are taken, and as many folders.
MAX_SLICES, MAX_ENTRIES = 2000, 4000
MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_UNPACKED_BYTES = 1_250_000_000
END, END_BYTES, MAX_COMMENT_BYTES = b"PK\x05\x06", 22, 65_535
LONG_END, LONG_END_BYTES = b"PK\x06\x07", 20
ENCRYPTED = 1
# What zipfile lets out of damaged archives has no common base.
DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OSError,
)  # fmt: skip
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What systems add by themselves: macOS's attributes and folder views, and the directory of a DICOM medium.
SKIPPED = (b"\0\5\x16\7", b"\0\0\0\1Bud1")
MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10"
IN_MEMORY_BYTES = 8 * 1024 * 1024
# The quickest; what is gained beyond is a tenth, for thrice the time.
LEVEL = 1


def is_archive(start: bytes) -> bool:
    """Tell whether bytes begin an archive."""
    return start.startswith(STARTS)


def check_archive(stream: BinaryIO) -> None:
    """Refuse an archive by its directory, which is no larger than it may be before it is read.

    Raises:
        UnreadableScan: damaged, too many files, or files that are no plain ones.
    """
    check_end(stream)
    try:
        with zipfile.ZipFile(stream) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
    except DAMAGE as error:
        raise invalid("it is damaged") from error
    stream.seek(0)
    if not files:
        raise invalid("it is empty")
    for info in files:
        if info.flag_bits & ENCRYPTED:
            raise invalid("it is encrypted")
        if info.compress_type not in METHODS:
            raise invalid("it is packed in a way that is not taken")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise invalid("it holds links")


def check_end(stream: BinaryIO) -> None:
    """Refuse an archive by the record at its end: its directory is held in memory as a whole.

    Raises:
        UnreadableScan: there is none where it must be, or it speaks of too much.
    """
    size_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size_bytes - END_BYTES - MAX_COMMENT_BYTES - LONG_END_BYTES))
    tail = stream.read()
    stream.seek(0)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES:
        raise invalid("it is cut short")
    _, _, _, entries, directory_bytes, _, comment_bytes = struct.unpack("<4H2LH", tail[at + 4 : at + END_BYTES])
    if len(tail) - at != END_BYTES + comment_bytes:
        raise invalid("it does not end where it says")
    is_long = tail[max(0, at - LONG_END_BYTES) : at].startswith(LONG_END)
    if is_long or entries > MAX_ENTRIES or directory_bytes > MAX_DIRECTORY_BYTES:
        raise invalid("it holds too many files")


@contextmanager
def cleaned_series(stream: BinaryIO, clean: Callable[[BinaryIO], BinaryIO]) -> Iterator[BinaryIO]:
    """Give an archive of the slices alone, cleaned and named by their number.

    Args:
        stream: the archive as uploaded, which `check_archive` found good.
        clean: takes the person out of a slice.

    Raises:
        UnreadableScan: a file is damaged or no slice, or they are too many or too large.
        UnsupportedType: a slice is of a kind that is not taken.
    """
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as target:
            for number, content in enumerate(slices_in(stream), 1):
                if number > MAX_SLICES:
                    raise invalid(f"it holds more than {MAX_SLICES:,} slices")
                name = zipfile.ZipInfo(f"{number:04}.dcm")
                target.writestr(name, clean(io.BytesIO(content)).read(), zipfile.ZIP_DEFLATED, LEVEL)
        out.seek(0)
        yield cast(BinaryIO, out)


def slices_in(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the slices of an archive.

    Raises:
        UnreadableScan, UnsupportedType: as `cleaned_series`.
    """
    left = MAX_UNPACKED_BYTES
    try:
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                with archive.open(info) as file:
                    content = file.read(MAX_FILE_BYTES + 1)
                left -= len(content)
                if len(content) > MAX_FILE_BYTES or left < 0:
                    raise UnreadableScan("The archive holds more than can be read.", code="too_large_unpacked")
                if not is_skipped(content):
                    check_slice(content)
                    yield content
    except DAMAGE as error:
        raise invalid("it is damaged") from error


def is_skipped(content: bytes) -> bool:
    """Tell whether a file is one of those that lie beside slices."""
    return content.startswith(SKIPPED) or (is_dicom(content) and MEDIA_DIRECTORY in content[:META_BYTES])


def check_slice(content: bytes) -> None:
    """Refuse what is no slice.

    Raises:
        UnreadableScan: it is something else.
        UnsupportedType: it is a slice of a kind that is not taken.
    """
    if is_archive(content[:4]):
        raise invalid("it holds another archive")
    if not is_dicom(content):
        raise invalid("it holds something else than CT slices in DICOM")
    check_dicom(content[:META_BYTES])


def is_dicom(content: bytes) -> bool:
    """Tell whether bytes are a DICOM file, by the prefix after the preamble."""
    return content[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == b"DICM"


def invalid(why: str) -> UnreadableScan:
    """Return the refusal of an archive."""
    return UnreadableScan(f"The archive cannot be used: {why}.", code="invalid_archive")
