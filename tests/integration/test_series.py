"""An archive of DICOM slices from the upload to the result: what is unpacked, what is kept, and what is refused."""

import gzip
import io
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from flask.testing import FlaskClient
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

import web.series_archive
from models.phantom_volume import affine_of, draw_volume, to_nifti, to_series
from models.scan import read_volume
from shared.errors import ScanRefused
from web.context import Context
from web.deidentify import deidentified
from web.series_archive import MAX_FILE_BYTES, check_archive, cleaned_series, slices_in

Headers = dict[str, str]
PHANTOM = draw_volume(1, side=100, slice_count=12, radii_mm=(22.0,))
CANARY = "ZZPHI^TEST"


def named(number: int, slice_: Dataset) -> None:
    slice_.PatientName = slice_.PatientID = slice_.SeriesDescription = CANARY
    slice_.add_new(0x00091001, "LO", CANARY)


SERIES = to_series(PHANTOM, named)


def repacked(archive: bytes, *, folder: str = "", comment: bytes = b"", **more: bytes) -> bytes:
    """The same files in a folder, and others beside them."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        if folder:
            target.mkdir(folder)
        for info in source.infolist():
            target.writestr(f"{folder}/{CANARY}-{info.filename}", source.read(info))
        for name, content in more.items():
            target.writestr(name, content)
        target.comment = comment
    return out.getvalue()


def media_directory() -> bytes:
    directory = Dataset()
    directory.FileSetID = "DISK"
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    out = io.BytesIO()
    pydicom.dcmwrite(out, directory, enforce_file_format=True)
    return out.getvalue()


def cleaned(content: bytes) -> bytes:
    stream = io.BytesIO(content)
    check_archive(stream)
    with cleaned_series(stream, lambda slice_: deidentified(slice_, "a key")) as kept:
        return kept.read()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough: what is tested here never reaches SQL."""
    return f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"


def submit(client: FlaskClient, headers: Headers, content: bytes):
    return client.post("/api/v1/jobs", headers=headers, data={"scan": (io.BytesIO(content), f"{CANARY}.zip")})


def test_a_series_gives_what_the_same_volume_gives_in_nifti(
    client: FlaskClient, ann: Headers, run_workers: Callable[[], None]
) -> None:
    answers = [submit(client, ann, content) for content in (SERIES, to_nifti(PHANTOM))]
    run_workers()

    first, second = (client.get(answer.headers["Location"], headers=ann).json for answer in answers)

    assert (first["status"], first["format"]) == ("succeeded", "dicom_series")
    own = {"format", "input_sha256", "mask_sha256", "seconds"}
    results = [{k: v for k, v in job["result"].items() if k not in own} for job in (first, second)]
    assert results[0] == results[1]
    assert results[0]["tumor_detected"]
    masks: list[Any] = [
        nibabel.Nifti1Image.from_bytes(gzip.decompress(client.get(job["links"]["mask_nifti"], headers=ann).data))
        for job in (first, second)
    ]
    assert np.array_equal(*(np.asarray(mask.dataobj) for mask in masks))
    assert np.allclose(masks[0].affine, affine_of(PHANTOM), atol=1e-4)


def test_nothing_of_the_person_reaches_the_disk(
    client: FlaskClient, ann: Headers, tmp_path: Path, run_workers: Callable[[], None]
) -> None:
    answer = submit(client, ann, repacked(SERIES, folder=CANARY, comment=CANARY.encode()))
    run_workers()

    original = client.get(answer.json["links"]["original"], headers=ann)
    assert original.headers["Content-Disposition"].endswith('.zip"')
    with zipfile.ZipFile(io.BytesIO(original.data)) as archive:
        assert archive.namelist() == [f"{number:04}.dcm" for number in range(1, 13)]
        slices = [archive.read(name) for name in archive.namelist()]
    assert [slice_ for slice_ in slices if CANARY.encode() in slice_] == []
    assert len({pydicom.dcmread(io.BytesIO(slice_)).SeriesInstanceUID for slice_ in slices}) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()] == []


def test_what_systems_put_beside_slices_is_left_out() -> None:
    of_macos = {"__MACOSX/._1": b"\0\5\x16\7" + bytes(9), ".DS_Store": b"\0\0\0\1Bud1"}
    content = repacked(SERIES, folder="CT", DICOMDIR=media_directory(), **of_macos)

    volume = read_volume(cleaned(content))

    assert volume.grid.shape_zyx == (12, 100, 100)


def test_the_same_archive_is_stored_under_the_same_name() -> None:
    assert cleaned(SERIES) == cleaned(repacked(SERIES, folder="other"))


def damaged(at: int, by: bytes) -> bytes:
    return SERIES[:at] + by + SERIES[at + len(by) :]


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04", SERIES[:-1], SERIES[:-22], SERIES + b"x", damaged(2000, bytes(500)), b"PK\x05\x06" + bytes(18),
        damaged(len(SERIES) - 10, b"\xff\xff\xff\x7f"), damaged(26, b"\xff\xff"), damaged(30, b"\xff\xfe"),
        repacked(SERIES, report=b"%PDF-1.7"), repacked(SERIES, inner=SERIES),
    ],
    ids=["start", "cut", "endless", "more", "garbled", "empty", "directory", "name-length", "name", "report", "nested"],
)  # fmt: skip
def test_what_is_no_archive_of_slices_is_refused(content: bytes) -> None:
    with pytest.raises(ScanRefused) as refusal:
        cleaned(content)

    assert (refusal.value.code, refusal.value.detail[-1]) == ("invalid_archive", ".")


def test_damage_anywhere_is_refused_or_read() -> None:
    random = np.random.default_rng(1)
    small = to_series(draw_volume(1, side=64, slice_count=2))
    for _ in range(300):
        content = bytearray(small)
        places = random.choice(
            [*range(60), *range(len(small) - 250, len(small)), *random.integers(0, len(small), 50)], 4
        )
        for at in places:
            content[at] = random.integers(256)
        with warnings.catch_warnings(action="ignore"):
            try:
                cleaned(bytes(content))
            except ScanRefused as refusal:
                assert refusal.detail.endswith(".")


def test_slices_are_counted_and_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, code in (
        ("MAX_SLICES", 11, "invalid_archive"),
        ("MAX_UNPACKED_BYTES", 100_000, "too_large_unpacked"),
        ("MAX_FILE_BYTES", 18_000, "too_large_unpacked"),
        ("MAX_ENTRIES", 11, "invalid_archive"),
        ("MAX_DIRECTORY_BYTES", 500, "invalid_archive"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(web.series_archive, name, value)
            with pytest.raises(ScanRefused) as refusal:
                cleaned(SERIES)
        assert refusal.value.code == code, name


def test_a_bomb_is_unpacked_no_further_than_a_slice_is_large() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(400_000_000))

    tracemalloc.start()
    with pytest.raises(ScanRefused) as refusal:
        list(slices_in(bomb))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert refusal.value.code == "too_large_unpacked"
    assert peak_bytes < 4 * MAX_FILE_BYTES


def test_people_may_keep_their_slices_as_they_are(
    client: FlaskClient, ann: Headers, context: Context, run_workers: Callable[[], None]
) -> None:
    object.__setattr__(context.settings, "deidentify_dicom", False)

    answer = submit(client, ann, repacked(SERIES, folder="name"))
    run_workers()

    original = client.get(answer.json["links"]["original"], headers=ann).data
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        assert archive.namelist()[0] == "0001.dcm"
        assert CANARY.encode() in archive.read("0001.dcm")
    assert client.get(answer.headers["Location"], headers=ann).json["status"] == "succeeded"
