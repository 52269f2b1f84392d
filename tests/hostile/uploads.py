"""Every hostile upload as a row: what is sent, and what is to come of it."""

import gzip
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from models.phantom import draw_phantom
from models.phantom_volume import draw_volume, to_nifti, to_series
from tests.hostile import files
from tests.hostile.files import dicom, encoded, good_png, png_of_size, setter, without


@dataclass(frozen=True)
class Upload:
    """One row.

    Attributes:
        numbers: of the hostile inputs it stands for.
        name: of the row.
        content: what is sent.
        status: of the answer; 202 where the worker is the first to see the fault.
        code: of the refusal or the failed job; empty where the scan is good after all.
    """

    numbers: tuple[int, ...]
    name: str
    content: bytes
    status: int
    code: str = ""


def refused(number: int, name: str, content: bytes, status: int, code: str) -> Upload:
    return Upload((number,), name, content, status, code)


def failed(number: int, name: str, content: bytes, code: str) -> Upload:
    return Upload((number,), name, content, 202, code)


def taken(number: int, name: str, content: bytes) -> Upload:
    return Upload((number,), name, content, 202)


BLACK, WHITE = np.zeros((256, 256), np.uint8), np.full((256, 256), 255, np.uint8)
NOT_TAKEN = (415, "unsupported_type")
BAD_NIFTI = (422, "invalid_nifti")
BAD_ARCHIVE = (422, "invalid_archive")
PHANTOM = draw_volume(1, side=128, slice_count=8)
SERIES = to_series(PHANTOM)


def series(change: Callable[[Dataset], object]) -> bytes:
    """An archive of slices, each of which is changed in one way."""

    def apply(number: int, slice_: Dataset) -> None:
        slice_.InstanceNumber = number + 1
        slice_.PatientName = "ZZPHI^TEST"
        change(slice_)

    return to_series(PHANTOM, apply)


def shift(slice_: Dataset, by_mm: float) -> None:
    slice_.ImagePositionPatient = [*slice_.ImagePositionPatient[:2], slice_.ImagePositionPatient[2] + by_mm]


UPLOADS = [
    refused(3, "empty", b"", 400, "file_empty"),
    refused(11, "text-named-png", b"patient list\n" * 50, *NOT_TAKEN),
    refused(12, "executable", b"MZ\x90\0" + b"\0" * 500, *NOT_TAKEN),
    refused(12, "elf", b"\x7fELF" + b"\0" * 500, *NOT_TAKEN),
    refused(12, "html", b"<!doctype html><script>alert(1)</script>", *NOT_TAKEN),
    refused(12, "svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', *NOT_TAKEN),
    refused(12, "php", b"<?php system($_GET['c']); ?>", *NOT_TAKEN),
    refused(12, "python", b"import os; os.system('true')\n", *NOT_TAKEN),
    refused(12, "pickle", b"\x80\x04\x95" + b"\0" * 100, *NOT_TAKEN),
    refused(12, "numpy-object", b"\x93NUMPY\x01\x00" + b"\0" * 100, *NOT_TAKEN),
    refused(12, "pdf", b"%PDF-1.7\n", *NOT_TAKEN),
    refused(18, "png-bomb", png_of_size(20000, 20000), 422, "image_too_large"),
    refused(19, "png-of-a-million-squared", png_of_size(10**6, 10**6)[:5000], 422, "image_too_large"),
    failed(20, "png-truncated", good_png()[:3000], "truncated"),
    failed(20, "png-garbled", good_png()[:2000] + b"\xff" * 4000 + good_png()[6000:], "unreadable_file"),
    failed(20, "jpeg-truncated", encoded(draw_phantom(1).pixels, "JPEG")[:9000], "truncated"),
    refused(21, "gif", encoded(BLACK, "GIF"), *NOT_TAKEN),
    refused(21, "psd", b"8BPS\0\x01" + b"\0" * 200, *NOT_TAKEN),
    refused(21, "apng", files.two_frames("PNG"), 415, "unsupported_multiframe"),
    refused(21, "tiff-pages", files.two_frames("TIFF"), 415, "unsupported_multiframe"),
    refused(21, "webp-animation", files.two_frames("WEBP"), 415, "unsupported_multiframe"),
    taken(22, "png-16-bit", encoded(draw_phantom(1).pixels.astype(np.uint16) * 200, "PNG")),
    taken(22, "png-alpha", files.png_alpha()),
    taken(22, "jpeg-turned", files.jpeg_turned()),
    refused(22, "png-text-bomb", files.png_with_text_bomb(), 422, "unreadable_file"),
    failed(23, "photo", files.photo(), "not_a_ct"),
    failed(24, "black", encoded(BLACK, "PNG"), "no_content"),
    failed(24, "white", encoded(WHITE, "PNG"), "no_content"),
    failed(24, "tiff-of-nan", encoded(np.full((256, 256), np.nan, np.float32), "TIFF"), "unreadable_file"),
    refused(25, "png-one-pixel", png_of_size(1, 1), 422, "image_too_small"),
    refused(25, "png-thin", png_of_size(1, 8000), 422, "image_too_small"),
    refused(25, "png-long", png_of_size(1, 100_000), 422, "image_too_small"),
    refused(25, "png-just-too-large", png_of_size(64, 8193), 422, "image_too_large"),
    refused(26, "dicom-without-preamble", dicom()[132:], *NOT_TAKEN),
    failed(27, "dicom-truncated", dicom()[:-5000], "truncated"),
    failed(27, "dicom-without-pixels", dicom(without("PixelData")), "truncated"),
    failed(28, "dicom-pixel-length-lies", files.dicom_with_length(b"\xf0\xff\xff\xff")[:-5000], "truncated"),
    refused(29, "dicom-pixels-without-length", files.dicom_with_length(b"\xff\xff\xff\xff"), 422, "invalid_dicom"),
    failed(30, "dicom-size-lies", dicom(setter(Rows=65535, Columns=65535)), "image_too_large"),
    failed(30, "dicom-frames-lie", dicom(setter(NumberOfFrames=2**31 - 1)), "unsupported_multiframe"),
    refused(31, "dicom-deflated", dicom(syntax=DeflatedExplicitVRLittleEndian), 415, "unsupported_transfer_syntax"),
    refused(32, "dicom-jpeg2000", dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.90"[:20]),
            415, "unsupported_transfer_syntax"),
    refused(33, "dicom-nested", files.nested_dicom(3000), 422, "invalid_dicom"),
    refused(34, "dicom-endless-elements", files.dicom_of_endless_elements(), 422, "invalid_dicom"),
    failed(34, "dicom-huge-private-element", files.dicom_with_huge_private_element(), "invalid_dicom"),
    refused(35, "dicom-that-is-an-executable", b"MZ" + dicom()[2:], 415, "polyglot"),
    refused(35, "dicom-that-is-html", b"<html>" + dicom()[6:], 415, "polyglot"),
    refused(36, "dicom-directory", b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI\x04\0" + b"1.2\0",
            415, "unsupported_transfer_syntax"),
    failed(37, "dicom-mr", dicom(setter(Modality="MR")), "not_ct"),
    failed(37, "dicom-report", dicom(setter(Modality="SR")), "not_ct"),
    failed(37, "dicom-secondary-capture", dicom(setter(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")), "not_ct"),
    failed(38, "dicom-slope-zero", dicom(setter(RescaleSlope=0)), "invalid_dicom"),
    failed(38, "dicom-slope-huge", dicom(setter(RescaleSlope="1e30")), "invalid_dicom"),
    failed(38, "dicom-colour", dicom(setter(SamplesPerPixel=3)), "invalid_dicom"),
    failed(38, "dicom-one-bit", dicom(setter(BitsAllocated=1)), "invalid_dicom"),
    failed(38, "dicom-64-bits", dicom(setter(BitsAllocated=64)), "invalid_dicom"),
    failed(38, "dicom-flat", dicom(setter(PixelData=b"\0\0" * 65536)), "no_content"),
    taken(38, "dicom-inverted-display", dicom(setter(PhotometricInterpretation="MONOCHROME1"))),
    taken(39, "dicom-without-spacing", dicom(without("PixelSpacing"))),
    failed(39, "dicom-spacing-zero", dicom(setter(PixelSpacing=[0, 0])), "invalid_dicom"),
    failed(39, "dicom-spacing-negative", dicom(setter(PixelSpacing=[-1, 1])), "invalid_dicom"),
    taken(39, "nifti", to_nifti(PHANTOM)),
    refused(40, "nifti-of-lies", files.nifti(dims=(3, 32767, 32767, 32767)), 422, "image_too_large"),
    refused(40, "nifti-of-many-voxels", files.nifti(dims=(3, 1024, 1024, 300)), 422, "image_too_large"),
    refused(40, "nifti-of-wide-voxels", files.nifti(dims=(3, 512, 512, 1000), datatype=64), 422, "too_large_unpacked"),
    refused(41, "nifti-truncated", files.nifti(dims=(3, 512, 512, 512), data=b"\0" * 128), 422, "truncated"),
    refused(41, "nifti-with-more-than-it-says", files.nifti(data=b"\1" * 32769), 422, "too_large_unpacked"),
    refused(42, "nifti-gz-bomb", gzip.compress(files.nifti() + b"\0" * 300_000_000), 422, "too_large_unpacked"),
    refused(43, "nifti-gz-cut", gzip.compress(files.nifti(data=b"\1" * 32768))[:-20], 422, "truncated"),
    refused(43, "nifti-gz-and-junk", gzip.compress(files.nifti(data=b"\1" * 32768)) + b"junk", 422, "truncated"),
    failed(43, "nifti-gz-in-two-parts", gzip.compress(files.nifti()) + gzip.compress(b"\1" * 32768), "no_content"),
    refused(43, "nifti-gz-of-something-else", gzip.compress(b"patient list\n" * 100), *NOT_TAKEN),
    refused(44, "nifti-negative-size", files.nifti(dims=(3, -1, 64, 4)), *BAD_NIFTI),
    refused(44, "nifti-of-no-dimension", files.nifti(dims=(0, 64, 64, 4)), *BAD_NIFTI),
    refused(44, "nifti-of-seven-dimensions", files.nifti(dims=(7, 64, 64, 4)), *BAD_NIFTI),
    refused(44, "nifti-of-two-volumes", files.nifti(dims=(4, 64, 64, 4, 2)), 415, "unsupported_multiframe"),
    refused(44, "nifti-small", files.nifti(dims=(3, 32, 64, 4)), 422, "image_too_small"),
    refused(44, "nifti-complex", files.nifti(datatype=32), *BAD_NIFTI),
    refused(44, "nifti-of-colours", files.nifti(datatype=128), *BAD_NIFTI),
    refused(44, "nifti-of-128-bits", files.nifti(datatype=1536), *BAD_NIFTI),
    refused(44, "nifti-slope-nan", files.nifti(slope=float("nan")), *BAD_NIFTI),
    refused(44, "nifti-offset-huge", files.nifti(offset=1e30), *BAD_NIFTI),
    refused(44, "nifti-offset-within-its-header", files.nifti(offset=300), *BAD_NIFTI),
    refused(44, "nifti-without-orientation", files.nifti(codes=(0, 0)), *BAD_NIFTI),
    refused(44, "nifti-orientation-nan", files.nifti(step_mm=float("nan")), *BAD_NIFTI),
    refused(44, "nifti-voxels-without-width", files.nifti(step_mm=0), *BAD_NIFTI),
    refused(44, "nifti-half", files.nifti().replace(b"n+1\0", b"ni1\0"), *BAD_NIFTI),
    failed(44, "nifti-black", files.nifti(data=b"\0" * 32768), "no_content"),
    failed(44, "nifti-oblique", files.oblique_nifti(), "oblique"),
    refused(45, "zip-bomb", files.zipped("a.dcm", content=b"\0" * 300_000_000), 422, "too_large_unpacked"),
    refused(45, "zip-of-many-bombs", files.zipped(*map(str, range(80)), content=b"\0\5\x16\7" + b"\0" * 16_000_000),
            422, "too_large_unpacked"),
    refused(45, "zip-slip", files.zipped("../../etc/passwd"), *BAD_ARCHIVE),
    taken(45, "zip-slip-of-slices", files.renamed(SERIES, "../../../../tmp/ZZPHI^TEST")),
    refused(45, "zip-in-zip", files.zipped("a.zip", content=files.zipped("b")), *BAD_ARCHIVE),
    refused(45, "zip-of-a-million-names", files.zip_of_names(20_000), *BAD_ARCHIVE),
    refused(45, "zip-whose-end-lies", files.zip_with_end(entries=1, directory_bytes=2**31), *BAD_ARCHIVE),
    refused(45, "zip-empty", files.zipped(), *BAD_ARCHIVE),
    refused(45, "zip-cut", SERIES[:-30], *BAD_ARCHIVE),
    refused(45, "zip-garbled", SERIES[:5000] + b"\xff" * 2000 + SERIES[7000:], *BAD_ARCHIVE),
    refused(45, "zip-encrypted", files.encrypted(SERIES), *BAD_ARCHIVE),
    refused(45, "zip-link", files.zip_link(dicom()), *BAD_ARCHIVE),
    refused(45, "zip-lzma", files.zipped("a", content=dicom(), method=zipfile.ZIP_LZMA), *BAD_ARCHIVE),
    refused(45, "zip-of-pictures", files.zipped("a.png", content=good_png()), *BAD_ARCHIVE),
    refused(45, "zip-of-executables", files.zipped("a", content=b"MZ" + dicom()[2:]), 415, "polyglot"),
    failed(45, "zip-of-one-slice", files.zipped("a.dcm", content=dicom()), "invalid_archive"),
    failed(45, "zip-of-the-same-names", files.renamed(SERIES, "a", doubled=True), "duplicate_slices"),
    failed(39, "series-without-positions", series(without("ImagePositionPatient")), "invalid_dicom"),
    failed(39, "series-of-two", series(lambda s: s.InstanceNumber % 2 and setattr(s, "SeriesInstanceUID", "1.2.3")),
           "mixed_series"),
    failed(39, "series-of-mr", series(setter(Modality="MR")), "not_ct"),
    failed(39, "series-that-does-not-turn", series(setter(ImageOrientationPatient=[0] * 6)), "invalid_dicom"),
    failed(39, "series-sagittal", series(setter(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])), "duplicate_slices"),
    failed(39, "series-tilted", series(setter(ImageOrientationPatient=[1, 0, 0, 0, 0.94, 0.342])), "oblique"),
    taken(39, "series-with-a-gap", series(lambda s: s.InstanceNumber > 4 and shift(s, 50))),
    taken(39, "series-without-spacing", series(without("PixelSpacing"))),
    refused(64, "onnx", b"\x08\x08\x12\x07pytorch" + b"\0" * 100, *NOT_TAKEN),
]  # fmt: skip
