"""Every kind of scan that is taken goes through the web and a worker, and comes back as it should."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image
from pydicom.data import get_testdata_file

from models.phantom import draw_phantom
from models.scan import read_scan, sniff_format
from tests.hostile.files import dicom, encoded, good_png

Headers = dict[str, str]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough: what is tested here never reaches SQL."""
    return f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"


def submit(client: FlaskClient, headers: Headers, content: bytes, name: str = "ZZPHI^TEST.png"):
    return client.post("/api/v1/jobs", headers=headers, data={"scan": (io.BytesIO(content), name)})


def read(client: FlaskClient, headers: Headers, answer) -> dict:
    return client.get(answer.headers["Location"], headers=headers).json


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
    stored = client.get(job["links"]["original"], headers=ann).data
    # A DICOM file is stored without the person, so with other bytes.
    assert (read_scan(stored).pixels == read_scan(content).pixels).all()
    assert stored == content or sniff_format(content) == "dicom"
    assert b"ZZPHI" not in stored


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


def test_a_large_scan_full_of_line_breaks_is_taken(client: FlaskClient, ann: Headers) -> None:
    noise = (np.random.default_rng(1).integers(0, 2, (450, 600)) * 3 + 10).astype(np.uint8)
    content = encoded(noise, "BMP")

    assert content.count(b"\r") > 100_000
    assert submit(client, ann, content).status_code == 202
