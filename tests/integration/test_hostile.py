"""Hostile and broken scans, through the web and a worker: each gets its own answer, and the next good one works."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from flask.testing import FlaskClient
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid

from models.phantom import draw_phantom
from models.segmenter import Segmenter
from shared.settings import load_settings
from web.context import Context
from worker.runtime import Runtime
from worker.tasks import work_on_due

MODEL_DIR = Path(__file__).parents[2] / "models"
Headers = dict[str, str]
# A bomb of 400 million pixels is 400 kB; larger promises need no more.
MOST_PIXELS = 400_000_000


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that promises a size; its pixels are all black and pack into almost nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compressobj(9)
    body = (
        b"".join(rows.compress(b"\0" * (width + 1)) for _ in range(min(height, MOST_PIXELS // width, 20_000)))
        + rows.flush()
    )
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def good_png() -> bytes:
    return cv2.imencode(".png", draw_phantom(1, side=256).pixels)[1].tobytes()


def encoded(pixels: np.ndarray, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def photo() -> bytes:
    """A colourful picture of a sunset, more or less."""
    y, x = np.mgrid[0:300, 0:400]
    return encoded(np.stack([200 - y // 3, 80 + y // 4, 40 + x // 4], -1).astype(np.uint8), "JPEG")


def two_frames(form: str) -> bytes:
    frames = [Image.fromarray(draw_phantom(seed, side=128).pixels) for seed in (1, 2)]
    out = io.BytesIO()
    frames[0].save(out, form, save_all=True, append_images=frames[1:])
    return out.getvalue()


def dicom(change: Callable[[FileDataset], None] | None = None, *, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A CT slice in DICOM, changed in one way."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    scan = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    scan.SOPClassUID, scan.SOPInstanceUID, scan.Modality = CTImageStorage, meta.MediaStorageSOPInstanceUID, "CT"
    scan.PatientName = "ZZPHI^TEST"
    scan.Rows = scan.Columns = 256
    scan.BitsAllocated = scan.BitsStored = 16
    scan.HighBit, scan.PixelRepresentation, scan.SamplesPerPixel = 15, 1, 1
    scan.PhotometricInterpretation = "MONOCHROME2"
    scan.RescaleSlope, scan.RescaleIntercept = 1, -1024
    scan.PixelSpacing = [0.8, 0.8]
    hu = draw_phantom(1, side=256).pixels.astype(np.float32) / 255 * 450 - 200
    scan.PixelData = (hu + 1024).astype(np.int16).tobytes()
    if change:
        change(scan)
    out = io.BytesIO()
    pydicom.dcmwrite(out, scan, enforce_file_format=True)
    return out.getvalue()


def setter(**values: object) -> Callable[[FileDataset], None]:
    def change(scan: FileDataset) -> None:
        for name, value in values.items():
            setattr(scan, name, value)

    return change


def without(name: str) -> Callable[[FileDataset], None]:
    return lambda scan: delattr(scan, name)


def nested_dicom(depth: int) -> bytes:
    """A CT slice with sequences in sequences, deeper than any reader recurses."""
    modality = b"\x08\0\x60\0CS\x02\0CT"
    opening = b"\x08\0\x10\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return dicom().replace(modality, modality + opening * depth + closing * depth, 1)


REFUSED_AT_ONCE = {
    "empty": (b"", 400, "file_empty"),
    "text-renamed": (b"patient list\n" * 50, 415, "unsupported_type"),
    "html": (b"<!doctype html><script>alert(1)</script>", 415, "unsupported_type"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', 415, "unsupported_type"),
    "executable": (b"MZ\x90\0" + b"\0" * 500, 415, "unsupported_type"),
    "elf": (b"\x7fELF" + b"\0" * 500, 415, "unsupported_type"),
    "pickle": (b"\x80\x04\x95" + b"\0" * 100, 415, "unsupported_type"),
    "numpy-object": (b"\x93NUMPY\x01\x00" + b"\0" * 100, 415, "unsupported_type"),
    "zip": (b"PK\x03\x04" + b"\0" * 200, 415, "unsupported_type"),
    "gzip-nifti": (b"\x1f\x8b\x08" + b"\0" * 200, 415, "unsupported_type"),
    "pdf": (b"%PDF-1.7\n", 415, "unsupported_type"),
    "gif": (encoded(np.zeros((100, 100), np.uint8), "GIF"), 415, "unsupported_type"),
    "png-bomb": (png_of_size(20000, 20000), 422, "image_too_large"),
    "png-of-a-million-squared": (png_of_size(10**6, 10**6)[:5000], 422, "image_too_large"),
    "png-one-pixel": (png_of_size(1, 1), 422, "image_too_small"),
    "png-thin": (png_of_size(1, 8000), 422, "image_too_small"),
    "png-just-too-small": (png_of_size(63, 64), 422, "image_too_small"),
    "png-just-too-large": (png_of_size(64, 8193), 422, "image_too_large"),
    "apng": (two_frames("PNG"), 415, "unsupported_multiframe"),
    "tiff-pages": (two_frames("TIFF"), 415, "unsupported_multiframe"),
    "webp-animation": (two_frames("WEBP"), 415, "unsupported_multiframe"),
    "dicom-polyglot": (b"MZ" + dicom()[2:], 415, "polyglot"),
    "dicom-deflated": (dicom(syntax=DeflatedExplicitVRLittleEndian), 415, "unsupported_transfer_syntax"),
    "dicom-jpeg2000": (
        dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.90"[:20]), 415, "unsupported_transfer_syntax",
    ),
    "dicom-directory": (
        b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI\x04\0" + b"1.2\0", 415, "unsupported_transfer_syntax",
    ),
}  # fmt: skip

FAILED_BY_THE_WORKER = {
    "png-truncated": (good_png()[:3000], "truncated"),
    "png-garbled": (good_png()[:2000] + b"\xff" * 4000 + good_png()[6000:], "unreadable_file"),
    "jpeg-truncated": (encoded(draw_phantom(1).pixels, "JPEG")[:9000], "truncated"),
    "photo": (photo(), "not_a_ct"),
    "black": (encoded(np.zeros((256, 256), np.uint8), "PNG"), "no_content"),
    "white": (encoded(np.full((256, 256), 255, np.uint8), "PNG"), "no_content"),
    "tiff-of-nan": (encoded(np.full((256, 256), np.nan, np.float32), "TIFF"), "unreadable_file"),
    "dicom-truncated": (dicom()[:-5000], "truncated"),
    "dicom-without-pixels": (dicom(without("PixelData")), "truncated"),
    "dicom-mr": (dicom(setter(Modality="MR")), "not_ct"),
    "dicom-structured-report": (dicom(setter(Modality="SR")), "not_ct"),
    "dicom-secondary-capture": (dicom(setter(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")), "not_ct"),
    "dicom-frames": (dicom(setter(NumberOfFrames=2)), "unsupported_multiframe"),
    "dicom-frames-lie": (dicom(setter(NumberOfFrames=2**31 - 1)), "unsupported_multiframe"),
    "dicom-size-lie": (dicom(setter(Rows=65535, Columns=65535)), "image_too_large"),
    "dicom-too-small": (dicom(setter(Rows=10, Columns=10)), "image_too_small"),
    "dicom-slope-zero": (dicom(setter(RescaleSlope=0)), "invalid_dicom"),
    "dicom-slope-huge": (dicom(setter(RescaleSlope="1e30")), "invalid_dicom"),
    "dicom-spacing-zero": (dicom(setter(PixelSpacing=[0, 0])), "invalid_dicom"),
    "dicom-spacing-negative": (dicom(setter(PixelSpacing=[-1, 1])), "invalid_dicom"),
    "dicom-colour": (dicom(setter(SamplesPerPixel=3)), "invalid_dicom"),
    "dicom-one-bit": (dicom(setter(BitsAllocated=1)), "invalid_dicom"),
    "dicom-nested": (nested_dicom(2000), "invalid_dicom"),
    "dicom-flat": (dicom(setter(PixelData=b"\0\0" * 65536)), "no_content"),
}


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    """The shipped network."""
    return Segmenter(MODEL_DIR)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough: what is tested here never reaches SQL."""
    return f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"


@pytest.fixture
def run_workers(context: Context, segmenter: Segmenter) -> Callable[[], None]:
    """Work off all due jobs, as a worker process does."""
    runtime = Runtime("host:1:a", load_settings({}), context.database, context.storage, segmenter)

    def run() -> None:
        while work_on_due(runtime):
            pass

    return run


def submit(client: FlaskClient, headers: Headers, content: bytes, name: str = "ZZPHI^TEST.png"):
    return client.post("/api/v1/jobs", headers=headers, data={"scan": (io.BytesIO(content), name)})


def read(client: FlaskClient, headers: Headers, answer) -> dict:
    return client.get(answer.headers["Location"], headers=headers).json


@pytest.mark.parametrize(("content", "status", "code"), REFUSED_AT_ONCE.values(), ids=REFUSED_AT_ONCE)
def test_it_is_refused_in_the_answer(
    client: FlaskClient, ann: Headers, caplog: pytest.LogCaptureFixture, content: bytes, status: int, code: str
) -> None:
    answer = submit(client, ann, content)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.json["detail"].endswith((".", "!"))
    assert "Traceback" not in caplog.text
    assert "ZZPHI" not in caplog.text + answer.text
    assert submit(client, ann, good_png()).status_code == 202


@pytest.mark.parametrize(("content", "code"), FAILED_BY_THE_WORKER.values(), ids=FAILED_BY_THE_WORKER)
def test_its_job_fails_with_its_own_reason(
    client: FlaskClient,
    ann: Headers,
    run_workers: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    content: bytes,
    code: str,
) -> None:
    bad, good = submit(client, ann, content), submit(client, ann, good_png())
    assert bad.status_code == 202

    run_workers()

    job = read(client, ann, bad)
    assert (job["status"], job["error"]["code"]) == ("failed", code)
    assert job["error"]["detail"].endswith(".")
    assert job["result"] is None
    assert read(client, ann, good)["status"] == "succeeded"
    assert "Traceback" not in caplog.text
    assert "ZZPHI" not in caplog.text


GOOD = {
    "png-8-bit": good_png(),
    "png-16-bit": encoded(draw_phantom(1).pixels.astype(np.uint16) * 200, "PNG"),
    "png-rgb": encoded(np.stack([draw_phantom(1).pixels] * 3, -1), "PNG"),
    "png-rgba": encoded(np.stack([*[draw_phantom(1).pixels] * 3, np.full((512, 512), 255, np.uint8)], -1), "PNG"),
    "jpeg": encoded(draw_phantom(1).pixels, "JPEG"),
    "bmp": encoded(draw_phantom(1).pixels, "BMP"),
    "tiff": encoded(draw_phantom(1).pixels, "TIFF"),
    "webp": encoded(draw_phantom(1).pixels, "WEBP", lossless=True),
    "png-smallest": encoded(draw_phantom(1, side=64).pixels, "PNG"),
    "png-not-square": encoded(draw_phantom(1).pixels[:, 60:460], "PNG"),
    "dicom": dicom(),
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_every_good_kind_goes_through(
    client: FlaskClient, ann: Headers, run_workers: Callable[[], None], content: bytes
) -> None:
    answer = submit(client, ann, content)

    run_workers()

    job = read(client, ann, answer)
    assert job["status"] == "succeeded", job["error"]
    mask = client.get(job["links"]["mask"], headers=ann)
    size = (job["result"]["height_px"], job["result"]["width_px"])
    assert cv2.imdecode(np.frombuffer(mask.data, np.uint8), cv2.IMREAD_UNCHANGED).shape == size
    assert client.get(job["links"]["overlay"], headers=ann).data.startswith(b"\x89PNG")
    assert client.get(job["links"]["original"], headers=ann).data == content


def test_a_palette_png_goes_through(client: FlaskClient, ann: Headers, run_workers: Callable[[], None]) -> None:
    out = io.BytesIO()
    Image.fromarray(draw_phantom(1).pixels).convert("P").save(out, "PNG")
    answer = submit(client, ann, out.getvalue())

    run_workers()

    assert read(client, ann, answer)["status"] == "succeeded"


def test_a_real_ct_in_dicom_is_measured_in_millimetres(
    client: FlaskClient, ann: Headers, run_workers: Callable[[], None]
) -> None:
    answer = submit(client, ann, Path(get_testdata_file("CT_small.dcm")).read_bytes(), "CT_small.dcm")

    run_workers()

    result = read(client, ann, answer)["result"]
    assert result["spacing_mm"] == pytest.approx([0.661468, 0.661468])
    assert result["stage_rule"] == "size-mm-1"
    assert result["liver_area_mm2"] is not None


def test_a_real_mr_in_dicom_is_not_ct(client: FlaskClient, ann: Headers, run_workers: Callable[[], None]) -> None:
    answer = submit(client, ann, Path(get_testdata_file("MR_small.dcm")).read_bytes())

    run_workers()

    assert read(client, ann, answer)["error"]["code"] == "not_ct"


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "C:\\con",
        "肝臓.dcm",
        "x" * 5000,
        "a\0b.png",
        '"><img src=x onerror=1>.png',
    ],
    ids=["traversal", "windows", "cjk", "long", "nul", "script"],
)
def test_no_file_name_does_harm_or_is_told_again(
    client: FlaskClient, ann: Headers, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    answer = submit(client, ann, good_png(), name)

    assert answer.status_code == 202
    assert name not in answer.text
    assert name not in caplog.text


def test_a_large_scan_full_of_line_breaks_is_taken(client: FlaskClient, ann: Headers) -> None:
    noise = (np.random.default_rng(1).integers(0, 2, (450, 600)) * 3 + 10).astype(np.uint8)
    content = encoded(noise, "BMP")

    assert content.count(b"\r") > 100_000
    assert submit(client, ann, content).status_code == 202


def test_a_form_of_two_thousand_parts_is_refused(client: FlaskClient, ann: Headers) -> None:
    data = {f"field{n}": "x" for n in range(2000)} | {"scan": (io.BytesIO(good_png()), "a.png")}

    assert client.post("/api/v1/jobs", headers=ann, data=data).status_code == 413


def test_a_huge_text_field_is_refused(client: FlaskClient, ann: Headers) -> None:
    data = {"label": "x" * 400_000, "scan": (io.BytesIO(good_png()), "a.png")}

    assert client.post("/api/v1/jobs", headers=ann, data=data).status_code == 413
