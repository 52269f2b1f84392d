"""Reading CT in DICOM: values, spacing, and the code of each refusal."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from models.errors import InvalidScan
from models.scan import read_scan, sniff_format

SIDE = 96


def make_ct(edit: Callable[[Dataset], None] = lambda dataset: None, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Return a CT of 96 x 96 whose columns run from -300 to 365 HU in steps of 7, changed by `edit`."""
    stored = np.tile(np.arange(SIDE, dtype=np.int16) * 7 + 724, (SIDE, 1))
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = CTImageStorage, "1.2.3.4", "CT"
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.PixelSpacing = 1, -1024, [0.8, 0.7]
    big = syntax == ExplicitVRBigEndian
    dataset.PixelData = stored.astype(">i2" if big else "<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    edit(dataset)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CTImageStorage)
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def setting(**values: Any) -> Callable[[Dataset], None]:
    def edit(dataset: Dataset) -> None:
        for name, value in values.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)

    return edit


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidScan) as caught:
        read_scan(data)
    assert caught.value.detail.endswith(".")
    return caught.value.code


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_hounsfield_units_are_windowed(syntax: str) -> None:
    data = make_ct(syntax=syntax)

    scan = read_scan(data)

    hu = np.arange(SIDE) * 7 - 300
    assert np.array_equal(scan.pixels[5], np.rint(np.clip((hu + 200) / 450, 0, 1) * 255))
    assert (sniff_format(data), scan.format, scan.calibrated, scan.warnings) == ("dicom", "dicom", True, ())


def test_spacing_is_row_then_column() -> None:
    assert read_scan(make_ct()).spacing_mm == (0.8, 0.7)


@pytest.mark.parametrize("value", [None, []], ids=["missing", "empty"])
def test_missing_spacing_is_none(value: Any) -> None:
    assert read_scan(make_ct(setting(PixelSpacing=value))).spacing_mm is None


def test_the_slope_scales() -> None:
    scan = read_scan(make_ct(setting(RescaleSlope="0.5", RescaleIntercept="-512")))

    assert np.array_equal(scan.pixels[0], np.rint(np.clip(((np.arange(SIDE) * 7 - 300) / 2 + 200) / 450, 0, 1) * 255))


def test_without_rescale_numbers_it_is_uncalibrated() -> None:
    values = np.tile(np.arange(SIDE, dtype="<i2"), (SIDE, 1)).tobytes()

    scan = read_scan(make_ct(setting(RescaleSlope=None, RescaleIntercept=None, PixelData=values)))

    assert (scan.calibrated, scan.warnings) == (False, ("uncalibrated",))


def test_monochrome1_does_not_turn_hounsfield_units_over() -> None:
    plain, inverted = read_scan(make_ct()), read_scan(make_ct(setting(PhotometricInterpretation="MONOCHROME1")))

    assert np.array_equal(plain.pixels, inverted.pixels)


def test_run_length_encoding_is_read() -> None:
    dataset = dcmread(io.BytesIO(make_ct()))
    dataset.compress(RLELossless, generate_instance_uid=False)
    stream = io.BytesIO()
    dataset.save_as(stream)

    assert np.array_equal(read_scan(stream.getvalue()).pixels, read_scan(make_ct()).pixels)


def test_a_ct_that_pydicom_ships_is_read() -> None:
    with open(str(get_testdata_file("CT_small.dcm")), "rb") as file:
        scan = read_scan(file.read())

    assert (scan.pixels.shape, scan.calibrated) == ((128, 128), True)
    assert scan.spacing_mm == (0.661468, 0.661468)


NOT_CT = {
    "mr": setting(Modality="MR", SOPClassUID=MRImageStorage),
    "secondary-capture": setting(SOPClassUID=SecondaryCaptureImageStorage),
    "no-modality": setting(Modality=None),
    "report": setting(Modality="SR"),
}


@pytest.mark.parametrize("edit", NOT_CT.values(), ids=NOT_CT)
def test_what_is_not_ct_is_refused(edit: Callable[[Dataset], None]) -> None:
    assert refusal(make_ct(edit)) == "not_ct"


INVALID = {
    "slope-zero": setting(RescaleSlope=0),
    "slope-huge": setting(RescaleSlope="1e30"),
    "slope-empty": setting(RescaleSlope=""),
    "spacing-zero": setting(PixelSpacing=[0, 0.7]),
    "spacing-negative": setting(PixelSpacing=[-1, 0.7]),
    "spacing-single": setting(PixelSpacing=0.7),
    "colour": setting(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0),
    "palette": setting(PhotometricInterpretation="PALETTE COLOR"),
    "one-bit": setting(BitsAllocated=1),
    "no-rows": setting(Rows=None),
    "no-bits": setting(BitsAllocated=None),
}


@pytest.mark.parametrize("edit", INVALID.values(), ids=INVALID)
def test_what_breaks_the_standard_is_refused(edit: Callable[[Dataset], None]) -> None:
    assert refusal(make_ct(edit)) == "invalid_dicom"


@pytest.mark.parametrize("value", [b"NAN ", b"INF "])
def test_a_slope_that_is_no_number_is_refused(value: bytes) -> None:
    data = make_ct(setting(RescaleSlope="9999"))

    assert refusal(data.replace(b"9999", value)) == "invalid_dicom"


def test_several_frames_are_refused() -> None:
    assert refusal(make_ct(setting(NumberOfFrames=2**31 - 1))) == "unsupported_multiframe"


@pytest.mark.parametrize(
    ("rows", "code"), [(65535, "image_too_large"), (8, "image_too_small"), (97, "truncated"), (95, "truncated")]
)
def test_rows_that_lie_are_refused(rows: int, code: str) -> None:
    assert refusal(make_ct(setting(Rows=rows))) == code


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, DeflatedExplicitVRLittleEndian, "1.2.3.4.5"])
def test_other_encodings_are_refused(syntax: str) -> None:
    data = make_ct()
    old, new = ExplicitVRLittleEndian.encode(), syntax.encode()
    swapped = struct.pack("<H", len(old) + 1) + old + b"\0"
    assert data.count(swapped) == 1

    padded = new + b"\0" * (len(new) % 2)
    assert refusal(data.replace(swapped, struct.pack("<H", len(padded)) + padded)) == "unsupported_transfer_syntax"


def test_a_deflated_bomb_is_never_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*args: object) -> bytes:
        raise AssertionError("was unpacked")

    data = make_ct(syntax=DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr(zlib, "decompress", unpack)

    assert refusal(data) == "unsupported_transfer_syntax"


def test_a_cut_file_is_refused_wherever_it_is_cut() -> None:
    data = make_ct()

    codes = {refusal(data[:end]) for end in range(140, len(data), 997)}

    assert codes <= {"truncated", "invalid_dicom", "unsupported_transfer_syntax", "not_ct"}
    assert refusal(data[:-1000]) == "truncated"


def test_a_pixel_length_that_lies_is_refused() -> None:
    data = make_ct()
    length = struct.pack("<I", SIDE * SIDE * 2)
    assert data.count(length) == 1

    assert refusal(data.replace(length, struct.pack("<I", 0xFFFFFFF0))[:-100]) == "truncated"
    assert refusal(data.replace(length, struct.pack("<I", 0xFFFFFFFF))) in {"invalid_dicom", "truncated"}


@pytest.mark.parametrize("beginning", [b"MZ", b"\x7fELF", b"<html>", b"%PDF"])
def test_a_file_that_is_also_another_is_refused(beginning: bytes) -> None:
    data = make_ct()

    assert refusal(beginning + data[len(beginning) :]) == "polyglot"


@pytest.mark.parametrize("beginning", [b"II*\0", b"MM\0*"])
def test_a_tiff_preamble_is_the_standards_own(beginning: bytes) -> None:
    assert read_scan(beginning + make_ct()[4:]).format == "dicom"


def test_deep_nesting_is_refused() -> None:
    # pydicom writes by recursion too, so the file is put together by hand: items of undefined length, never ended.
    nested = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    data = make_ct()
    place = data.index(struct.pack("<HH", 0x7FE0, 0x0010))

    assert refusal(data[:place] + nested * 3000 + data[place:]) == "invalid_dicom"


def test_no_damage_escapes_as_another_error() -> None:
    data = make_ct()
    random = np.random.default_rng(7)

    for _ in range(300):
        damaged = bytearray(data)
        for place in random.integers(128, random.choice([400, 900, len(data)]), 4):
            damaged[place] = random.integers(256)
        try:
            read_scan(bytes(damaged))
        except InvalidScan as error:
            assert error.code
