"""Read single-frame CT in DICOM.

Source: DICOM PS3.3 C.7.6.3 (pixels), C.8.2.1 (CT image), C.11.1 (rescale), 10.7.1.3 (pixel spacing: row, then column).
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from models.errors import InvalidScan
from models.scan_type import Scan, check_size
from models.window import to_display

PREAMBLE_BYTES = 128
NATIVE = {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian}
# Deflated files are refused: 300 kB of them can unpack to gigabytes before anything can be checked.
READABLE = NATIVE | {RLELossless}
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
# Beyond these, values are no Hounsfield units of anything.
MAX_SLOPE = 1000.0
MAX_INTERCEPT = 1e5
MAX_SPACING_MM = 50.0


def is_dicom(data: bytes) -> bool:
    """Tell whether bytes are a DICOM file, by the prefix after the preamble."""
    return data[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == b"DICM"


def read_dicom(data: bytes) -> Scan:
    """Read a CT slice.

    Raises:
        InvalidScan: not CT, several frames, an encoding not taken, cut short, or against the standard.
    """
    dataset, pixels = read_pixels(data)
    with standard():
        spacing_mm = read_spacing(dataset)
    return Scan(pixels, spacing_mm, "dicom", is_ct_hu(dataset), declared_warnings(dataset))


def read_header(data: bytes) -> Dataset:
    """Return what a file says of its pixels, without reading them.

    Raises:
        InvalidScan: it is not one CT slice of a kind that is taken.
    """
    check_preamble(data[:PREAMBLE_BYTES])
    with standard():
        check_encoding(data)
        header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        check_header(header)
    return header


def read_pixels(data: bytes) -> tuple[Dataset, np.ndarray]:
    """Return a file and its pixels, (H, W) uint8 display values.

    Raises:
        InvalidScan: as `read_dicom`.
    """
    # Before the rest: the pixels are touched only after the header was found good.
    read_header(data)
    with standard():
        dataset = pydicom.dcmread(io.BytesIO(data))
        check_length(dataset)
        pixels = to_display(to_hu(dataset, dataset.pixel_array))
    if str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1" and not is_ct_hu(dataset):
        pixels = 255 - pixels
    return dataset, pixels


@contextmanager
def standard() -> Iterator[None]:
    """Let what breaks the standard leave as ours.

    Raises:
        InvalidScan: something did.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except (InvalidScan, MemoryError):
        raise
    except Exception as error:
        # pydicom lets almost any exception out for files against the standard, RecursionError among them.
        raise InvalidScan("invalid_dicom", "The DICOM file breaks the standard and cannot be read.") from error


def declared_warnings(dataset: Dataset) -> tuple[str, ...]:
    """Return what a reader of the result should know of a file."""
    declared = {
        "uncalibrated": not is_ct_hu(dataset),
        "burned_in_text": dataset.get("BurnedInAnnotation") == "YES",
    }
    return tuple(code for code, holds in declared.items() if holds)


def check_preamble(preamble: bytes) -> None:
    """Refuse files that are something else at the same time.

    Raises:
        InvalidScan: the preamble is neither empty nor a TIFF's beginning, the two the standard has in mind.
    """
    if any(preamble) and preamble[:4] not in (b"II*\x00", b"MM\x00*"):
        raise InvalidScan("polyglot", "The DICOM file begins like a file of another kind; it is not taken.")


def check_encoding(data: bytes) -> None:
    """Refuse encodings that are not taken, told from the file's first group alone; nothing is unpacked for it.

    Raises:
        InvalidScan: it is another one.
    """
    # Always explicit little endian (PS3.10 7.1). dcmread would inflate a deflated file before it could be refused.
    content = io.BytesIO(data[PREAMBLE_BYTES + 4 :])
    meta = read_dataset(
        content, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, _vr, _length: tag.group != 2
    )
    if meta.get("TransferSyntaxUID") not in READABLE:
        raise InvalidScan(
            "unsupported_transfer_syntax",
            "The DICOM file is compressed in a way that is not taken; please export it uncompressed.",
        )


def check_header(dataset: Dataset) -> None:
    """Refuse what is not one CT slice, before any pixel is read.

    Raises:
        InvalidScan: another modality, several frames, colour, or impossible sizes.
    """
    sop_class = str(dataset.get("SOPClassUID", CT_IMAGE_STORAGE))
    if str(dataset.get("Modality", "")) != "CT" or sop_class != CT_IMAGE_STORAGE:
        raise InvalidScan("not_ct", "The DICOM file is not a CT image.")
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise InvalidScan("unsupported_multiframe", "The DICOM file holds several frames; please send single slices.")
    if int(dataset.get("SamplesPerPixel", 1)) != 1 or int(dataset.BitsAllocated) not in (8, 16, 32):
        raise InvalidScan("invalid_dicom", "The DICOM file's pixels are not single grey values of 8, 16 or 32 bits.")
    if str(dataset.get("PhotometricInterpretation", "MONOCHROME2")) not in ("MONOCHROME1", "MONOCHROME2"):
        raise InvalidScan("invalid_dicom", "The DICOM file's pixels are not grey values.")
    check_size(int(dataset.Rows), int(dataset.Columns))


def check_length(dataset: Dataset) -> None:
    """Refuse a file with fewer pixels than it promises; pydicom reads it without a word.

    Raises:
        InvalidScan: cut short.
    """
    if "PixelData" not in dataset:
        raise InvalidScan("truncated", "The DICOM file ends before its pixels; please export or copy it again.")
    if dataset.file_meta.TransferSyntaxUID not in NATIVE:
        return
    expected = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
    if not expected <= len(dataset.PixelData) <= expected + 1:
        raise InvalidScan("truncated", "The DICOM file is cut short; please export or copy it again.")


def to_hu(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """Return Hounsfield units, (H, W) float32.

    Raises:
        InvalidScan: the rescale numbers make no sense.
    """
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    sane = np.isfinite([slope, intercept]).all() and 0 < slope <= MAX_SLOPE and abs(intercept) <= MAX_INTERCEPT
    if not sane:
        raise InvalidScan("invalid_dicom", "The DICOM file's rescale slope or intercept makes no sense.")
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def is_ct_hu(dataset: Dataset) -> bool:
    """Tell whether values are Hounsfield units, in which denser is larger whatever the display is asked to do."""
    return "RescaleIntercept" in dataset


def read_spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Return the pixel spacing (down the rows, along a row) in mm, or None where the file gives none.

    Raises:
        InvalidScan: it is given but makes no sense.
    """
    given = dataset.get("PixelSpacing")
    if not given:
        return None
    row_mm, column_mm = (float(value) for value in given)
    if not all(np.isfinite(v) and 0 < v <= MAX_SPACING_MM for v in (row_mm, column_mm)):
        raise InvalidScan("invalid_dicom", "The DICOM file's pixel spacing makes no sense.")
    return row_mm, column_mm
