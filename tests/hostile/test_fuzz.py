"""Mutations of good files and bodies: whatever comes, one of our own refusals, soon."""

import io
import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import InvalidScan
from models.scan import read_scan
from shared.errors import ScanRefused
from tests.hostile import files
from web.deidentify import deidentified
from web.scan_header import check_header

LONGEST_S = 2.0
EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

SEEDS = {
    "png": files.good_png(),
    "jpeg": files.jpeg_turned(),
    "tiff": files.encoded(files.draw_phantom(1, side=128).pixels, "TIFF"),
    "webp": files.encoded(files.draw_phantom(1, side=128).pixels, "WEBP"),
    "dicom": files.dicom(),
    "nifti": files.nifti(data=b"\1" * 4096),
    "zip": files.zipped("a.dcm", "b.dcm", content=b"x" * 500),
}
BODY = (
    b'--b\r\nContent-Disposition: form-data; name="scan"; filename="a"\r\n\r\n' + SEEDS["png"][:3000] + b"\r\n--b--\r\n"
)


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """A file after some damage: bytes changed, cut out, doubled, or its end cut off; most of it near the beginning."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        reach = draw(st.sampled_from([64, 400, len(data)]))
        at = draw(st.integers(0, max(0, min(reach, len(data)) - 1)))
        match draw(st.sampled_from(["change", "cut", "double", "end", "insert"])):
            case "change":
                new = draw(st.binary(min_size=1, max_size=8))
                data[at : at + len(new)] = new
            case "cut":
                del data[at : at + draw(st.integers(1, 200))]
            case "double":
                piece = bytes(data[at : at + draw(st.integers(1, 200))])
                data[at:at] = piece * draw(st.integers(1, 20))
            case "end":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.sampled_from([b"\0" * 9, b"\xff" * 9, b"\xff\xff\xff\xff", b"DICM", b"\r\n--b"]))
    return bytes(data)


def soon(work: Callable[[], object], allowed: type[Exception]) -> None:
    """Let work end in time, well or with the one kind of error that says why."""
    began_s = time.monotonic()
    try:
        work()
    except allowed as refusal:
        assert str(refusal)
    assert time.monotonic() - began_s < LONGEST_S


@pytest.mark.parametrize("seed", SEEDS)
def test_the_reader_says_why_or_reads(seed: str) -> None:
    @EXAMPLES
    @given(mutated(SEEDS[seed]))
    def run(content: bytes) -> None:
        soon(lambda: read_scan(content), InvalidScan)

    run()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_look_at_the_header_says_why_or_tells_the_format(seed: str) -> None:
    @EXAMPLES
    @given(mutated(SEEDS[seed]))
    def run(content: bytes) -> None:
        soon(lambda: check_header(io.BytesIO(content)), ScanRefused)

    run()


def test_taking_the_person_out_says_why_or_does_it() -> None:
    @settings(EXAMPLES, max_examples=400)
    @given(mutated(SEEDS["dicom"]))
    def run(content: bytes) -> None:
        soon(lambda: deidentified(io.BytesIO(content), "key"), ScanRefused)

    run()


# Werkzeug leaves the file of a form it gives up on to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "image/png", "application/dicom", "text/plain"])
def test_no_body_is_a_fault_of_ours(client: FlaskClient, kind: str) -> None:
    seed = SEEDS["dicom"] if "dicom" in kind else BODY

    @EXAMPLES
    @given(mutated(seed))
    def run(body: bytes) -> None:
        answer = client.post("/api/v1/jobs", data=body, content_type=kind)
        assert answer.status_code in (202, 400, 413, 415, 422), answer.text
        if answer.status_code != 202:
            assert answer.json["code"]
            assert answer.json["detail"].endswith(".")

    run()
