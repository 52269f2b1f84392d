"""A volume from the upload to the page: what is stored, what the API says of it, and what people see."""

import csv
import gzip
import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
from flask.testing import FlaskClient

from models.phantom_volume import affine_of, draw_volume, to_nifti
from models.scan import read_volume
from shared.errors import UnreadableScan
from shared.intended_use import INTENDED_USE
from web.context import Context
from web.nifti_clean import cleaned_nifti
from web.nifti_header import MIN_OFFSET_BYTES

Headers = dict[str, str]
PHANTOM = draw_volume(1, side=96, slice_count=12, radii_mm=(22.0,))
CONTENT = to_nifti(PHANTOM)
CANARY = b"ZZPHI^TEST"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough: what is tested here never reaches SQL."""
    return f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"


@pytest.fixture
def job(client: FlaskClient, ann: Headers, run_workers: Callable[[], None]) -> dict[str, Any]:
    """A volume of ann's that was analysed."""
    answer = submit(client, ann, CONTENT)
    run_workers()
    found: dict[str, Any] = client.get(answer.headers["Location"], headers=ann).json
    assert found["status"] == "succeeded", found["error"]
    return found


def submit(client: FlaskClient, headers: Headers, content: bytes):
    return client.post("/api/v1/jobs", headers=headers, data={"scan": (io.BytesIO(content), "ZZPHI^TEST.nii.gz")})


def pixels_of(content: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


def with_texts(content: bytes) -> bytes:
    """A NIfTI file with a name in every place that has room for one, and in an extension."""
    header = bytearray(content[:348])
    for at, length in ((4, 10), (14, 18), (148, 80), (228, 24), (328, 16)):
        header[at : at + length] = (CANARY * 8)[:length]
    extension = struct.pack("<2i", 48, 6) + CANARY * 4
    struct.pack_into("<f", header, 108, 352.0 + len(extension))
    return bytes(header) + b"\1\0\0\0" + extension + content[352:]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_a_nifti_file_loses_its_texts_and_keeps_its_voxels(pack: Callable[[bytes], bytes]) -> None:
    plain = to_nifti(PHANTOM, packed=False)
    told = with_texts(plain)
    assert told.count(CANARY) >= 8

    with cleaned_nifti(io.BytesIO(pack(told))) as kept:
        content = gzip.decompress(kept.read())

    assert CANARY[:6] not in content
    assert content[MIN_OFFSET_BYTES:] == plain[352:]
    assert nibabel.Nifti1Image.from_bytes(content).header.extensions == []


def test_the_same_volume_is_stored_under_the_same_name_packed_or_not() -> None:
    stored = []
    for packed in (True, False):
        with cleaned_nifti(io.BytesIO(to_nifti(PHANTOM, packed=packed))) as kept:
            stored.append(kept.read())

    assert stored[0] == stored[1]


def test_a_bomb_is_unpacked_no_further_than_its_header_says() -> None:
    bomb = gzip.compress(to_nifti(PHANTOM, packed=False) + bytes(400_000_000))
    stream = io.BytesIO(bomb)

    with pytest.raises(UnreadableScan) as refusal, cleaned_nifti(stream):
        pass

    assert refusal.value.code == "too_large_unpacked"
    assert stream.tell() < len(bomb)


def test_the_api_tells_all_of_a_volume(client: FlaskClient, ann: Headers, job: dict[str, Any]) -> None:
    result = job["result"]

    assert (job["format"], result["scope"], result["slice_count"]) == ("nifti", "volume", 12)
    assert result["spacing_mm"] == pytest.approx([400 / 96] * 2, rel=1e-4)
    assert result["slice_distance_mm"] == 5.0
    assert 0 < result["tumor_volume_ml"] < result["liver_volume_ml"]
    assert len(result["liver_px_by_slice"]) == len(result["tumor_px_by_slice"]) == 12
    assert (result["stage_rule"], result["calibrated"]) == ("size-mm-1", True)
    (lesion,) = result["lesions"]
    assert lesion["first_slice"] <= lesion["slice"] <= lesion["last_slice"]
    assert lesion["volume_ml"] == result["tumor_volume_ml"]
    listed = client.get("/api/v1/jobs", headers=ann).json["jobs"][0]["result"]
    assert (listed["scope"], listed["slice_count"]) == ("volume", 12)
    assert client.get(f"/api/v1/jobs/{job['id']}/result.json", headers=ann).json["lesions"] == result["lesions"]


def test_every_link_of_a_volume_leads_to_its_picture(client: FlaskClient, ann: Headers, job: dict[str, Any]) -> None:
    assert set(job["links"]) >= {"mask", "overlay", "preview", "thumbnail", "mask_nifti", "original"}
    assert not set(job["links"]) & {"probability", "uncertainty"}
    for name in ("mask", "overlay", "preview", "thumbnail", "mask_nifti", "original"):
        assert client.get(job["links"][name], headers=ann).status_code == 200, name
    shown = job["result"]["shown_slice"]
    of_slice = client.get(f"/api/v1/jobs/{job['id']}/slices/{shown}/mask.png", headers=ann)
    assert of_slice.data == client.get(job["links"]["mask"], headers=ann).data
    assert (pixels_of(of_slice.data) == 255).sum() == max(job["result"]["tumor_px_by_slice"])


def test_slices_and_the_nifti_mask_say_the_same(client: FlaskClient, ann: Headers, job: dict[str, Any]) -> None:
    base = f"/api/v1/jobs/{job['id']}/slices"
    masks = [pixels_of(client.get(f"{base}/{n}/mask.png", headers=ann).data) for n in range(1, 13)]
    previews = [pixels_of(client.get(f"{base}/{n}/preview.jpg", headers=ann).data) for n in range(1, 13)]

    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(client.get(job["links"]["mask_nifti"], headers=ann).data))

    assert np.array_equal(np.asarray(image.dataobj).T, np.stack(masks))
    assert np.allclose(image.affine, affine_of(PHANTOM), atol=1e-4)
    shown = np.stack(list(read_volume(CONTENT).slices)).astype(float)
    assert np.abs(np.stack(previews) - shown).mean() < 4
    answer = client.get(f"{base}/1/mask.png", headers=ann)
    again = client.get(f"{base}/1/mask.png", headers=ann | {"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("number", ["0", "13", "-1", "x", "1.0", "9" * 30, "%20", "\u0661"])
def test_a_slice_that_is_not_there_is_not_found(
    client: FlaskClient, ann: Headers, job: dict[str, Any], number: str
) -> None:
    assert client.get(f"/api/v1/jobs/{job['id']}/slices/{number}/mask.png", headers=ann).status_code == 404


def test_the_table_of_a_volume_has_volumes_and_slices(client: FlaskClient, ann: Headers, job: dict[str, Any]) -> None:
    text = client.get(f"/api/v1/jobs/{job['id']}/result.csv", headers=ann).text

    intended, *rest = text.splitlines()
    (row,) = csv.DictReader(rest)
    assert intended == f"# {INTENDED_USE}"
    assert (row["scope"], row["slice_count"]) == ("volume", "12")
    assert float(row["lesion_volume_ml"]) == job["result"]["lesions"][0]["volume_ml"]
    assert int(row["lesion_slice"]) == job["result"]["lesions"][0]["slice"]


def test_nothing_of_the_person_reaches_the_disk(
    client: FlaskClient, ann: Headers, context: Context, tmp_path: Path
) -> None:
    answer = submit(client, ann, gzip.compress(with_texts(to_nifti(PHANTOM, packed=False))))

    assert answer.status_code == 202
    original = client.get(answer.json["links"]["original"], headers=ann)
    assert original.headers["Content-Disposition"].endswith('.nii.gz"')
    assert CANARY not in gzip.decompress(original.data)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and CANARY in path.read_bytes()] == []


def test_a_raw_body_may_be_a_volume(client: FlaskClient, ann: Headers) -> None:
    answer = client.post("/api/v1/jobs", headers=ann, data=CONTENT, content_type="application/gzip")

    assert (answer.status_code, answer.json["format"]) == (202, "nifti")


def test_a_slice_may_not_be_as_large_as_a_volume(
    client: FlaskClient, ann: Headers, scan_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.intake.MAX_SLICE_BYTES", len(scan_png) - 1)

    answer = client.post("/api/v1/jobs", headers=ann, data=scan_png, content_type="image/png")

    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert submit(client, ann, CONTENT).status_code == 202


def test_people_see_a_volume_in_the_list_and_on_its_page(bob: Any, run_workers: Callable[[], None]) -> None:
    answer = bob.post("/upload", {"scan": (io.BytesIO(CONTENT), "v.nii.gz")}, content_type="multipart/form-data")
    run_workers()

    page, listed = bob.get(answer.location).text, bob.get("/jobs").text

    assert "volume, 12 slices" in listed
    assert "1 lesion in this volume." in page
    assert re.search(r'<input type="range" name="slice" min="1" max="12" value="[67]"', page)
    assert page.count('class="liver"') == page.count('class="tumor"') == 1
    assert "/slices/0/preview.jpg" in page and "mask.nii.gz" in page
    assert "lower bound" not in page
    assert "NIfTI volume" in page
    assert " ml" in page
