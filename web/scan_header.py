"""Look at a scan's first bytes: is it a kind we take, and of a size that can be decoded? Decoding is the worker's."""

import io
import warnings
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from shared.errors import BadUpload, ScanRefused, UnreadableScan, UnsupportedType
from web.dicom_header import META_BYTES, PREAMBLE_BYTES, check_dicom
from web.nifti_header import check_nifti, is_nifti, unpacked_start
from web.series_archive import check_archive, is_archive

PICTURES = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MIN_SIDE_PX = 64
MAX_SIDE_PX = 8192


def check_header(stream: BinaryIO) -> str:
    """Return a scan's format if it looks usable; the stream is left at its beginning.

    Raises:
        ScanRefused: one of its kinds, with the code that says why.
    """
    start = stream.read(META_BYTES)
    stream.seek(0)
    if not start:
        raise BadUpload("The file is empty.", code="file_empty")
    if start[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == b"DICM":
        check_dicom(start)
        return "dicom"
    if is_nifti(header := unpacked_start(start)):
        check_nifti(header)
        return "nifti"
    if is_archive(start):
        check_archive(stream)
        return "dicom_series"
    try:
        return check_picture(stream)
    finally:
        stream.seek(0)


def check_picture(stream: BinaryIO) -> str:
    """Return a picture's format, told from its content.

    Raises:
        UnsupportedType: not a picture we take, or several pictures in one.
        UnreadableScan: a damaged header, or too small or large.
    """
    try:
        with warnings.catch_warnings(), Image.open(unclosable(stream), formats=PICTURES) as image:
            # Our own bound on the size is stricter than Pillow's, which only warns.
            warnings.simplefilter("ignore")
            check_size(*image.size)
            if getattr(image, "n_frames", 1) != 1:
                raise UnsupportedType(
                    "The file holds several pictures; please send them one by one.", code="unsupported_multiframe"
                )
            return str(image.format).lower()
    except ScanRefused:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableScan("The picture has too many pixels.", code="image_too_large") from error
    except UnidentifiedImageError as error:
        raise UnsupportedType(
            "This is not a scan we can read; please send PNG, JPEG, BMP, TIFF, WebP, a CT slice in DICOM, or a CT "
            "volume in NIfTI or as a zip of one DICOM series."
        ) from error
    except Exception as error:
        # Pillow lets many kinds of exception out for damaged headers.
        raise UnreadableScan("The picture's header is damaged.") from error


def check_size(width_px: int, height_px: int) -> None:
    """Refuse pictures too small to show a liver or too large to decode.

    Raises:
        UnreadableScan: either of these.
    """
    size = f"The picture has {width_px} x {height_px} pixels;"
    if min(width_px, height_px) < MIN_SIDE_PX:
        raise UnreadableScan(f"{size} each side needs at least {MIN_SIDE_PX}.", code="image_too_small")
    if max(width_px, height_px) > MAX_SIDE_PX:
        raise UnreadableScan(f"{size} a side may have at most {MAX_SIDE_PX}.", code="image_too_large")


def unclosable(stream: BinaryIO) -> BinaryIO:
    """Return a view of a stream that Pillow may close without closing the upload."""
    return io.BufferedReader(Uncloseable(stream))


class Uncloseable(io.RawIOBase):
    """A stream that passes reads and seeks on, but not the end."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer."""
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move."""
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self.stream.tell()
