"""Decoding in a confined process: it reads what it should, and whatever breaks it ends there."""

import io
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import InvalidScan
from models.phantom import draw_phantom
from models.scan import read_scan
from tests.conftest import wait_until
from worker.sandbox import DecoderUnavailable, Sandbox


def picture(form: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(draw_phantom(1, side=128).pixels).save(content, form)
    return content.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_it_reads_as_the_plain_reader_does(sandbox: Sandbox, form: str) -> None:
    inside, outside = sandbox.read_scan(picture(form)), read_scan(picture(form))

    assert (inside.pixels == outside.pixels).all()
    assert (inside.format, inside.warnings) == (outside.format, outside.warnings)


def test_a_refusal_comes_through(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidScan) as refusal:
        sandbox.read_scan(picture("PNG")[:500])

    assert refusal.value.code == "truncated"
    assert sandbox.read_scan(picture("PNG")).format == "png"


def test_the_largest_picture_is_read(sandbox: Sandbox) -> None:
    content = io.BytesIO()
    ramp = np.tile(np.arange(8192, dtype=np.uint8), (8192, 1))
    Image.fromarray(np.stack([ramp] * 3, -1)).save(content, "PNG", compress_level=1)

    assert sandbox.read_scan(content.getvalue()).pixels.shape == (8192, 8192)


def test_the_process_holds_no_secret_and_nothing_open(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql+pymysql://hepaq:secret@db/hepaq")
    sandbox.close()
    sandbox.start()
    sandbox.read_scan(picture("PNG"))
    process = Path(f"/proc/{sandbox.process.pid}")

    assert b"secret" not in (process / "environ").read_bytes()
    assert "NoNewPrivs:\t1" in (process / "status").read_text()
    # Standard streams, and the socket to us.
    assert len(list((process / "fd").iterdir())) == 4


def test_there_is_no_way_out(breakable: Sandbox) -> None:
    with pytest.raises(InvalidScan) as tried:
        breakable.read_scan(b"escape")

    assert (tried.value.code, tried.value.detail) == ("tried", "[]")


@pytest.mark.parametrize("word", [b"segfault", b"nonsense", b"lie"])
def test_a_scan_that_breaks_the_decoder_fails_and_the_next_is_read(breakable: Sandbox, word: bytes) -> None:
    first = breakable.process.pid

    with pytest.raises(InvalidScan) as refusal:
        breakable.read_scan(word)

    assert refusal.value.code == "unreadable_file"
    assert breakable.process.pid != first
    assert breakable.read_scan(picture("PNG")).format == "png"


def test_a_scan_that_hangs_the_decoder_fails_in_time(breakable: Sandbox) -> None:
    with pytest.raises(InvalidScan) as refusal:
        breakable.read_scan(b"hang")

    assert (refusal.value.code, "too long" in refusal.value.detail) == ("unreadable_file", True)
    assert breakable.read_scan(picture("PNG")).format == "png"


def test_memory_is_bounded(breakable: Sandbox) -> None:
    with pytest.raises(InvalidScan) as refusal:
        breakable.read_scan(b"memory")

    assert refusal.value.code == "refused"


def test_a_decoder_killed_by_chance_costs_nothing(sandbox: Sandbox) -> None:
    sandbox.read_scan(picture("PNG"))
    os.kill(sandbox.process.pid, signal.SIGKILL)

    assert sandbox.read_scan(picture("PNG")).format == "png"


def test_a_decoder_that_does_not_start_is_no_fault_of_the_scan() -> None:
    sandbox = Sandbox(module="worker.no_such_module")

    with pytest.raises(DecoderUnavailable):
        sandbox.read_scan(picture("PNG"))

    sandbox.module = "worker.decoder"
    with pytest.raises(DecoderUnavailable):
        sandbox.read_scan(picture("PNG"))  # this one was started before
    assert sandbox.read_scan(picture("PNG")).format == "png"
    sandbox.close()


def test_it_ends_when_its_worker_does(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        (tmp_path / "pid").write_text(str(Sandbox().process.pid))
        os._exit(0)
    os.waitpid(child, 0)
    decoder = Path(f"/proc/{(tmp_path / 'pid').read_text()}")

    wait_until(
        lambda: not decoder.exists() or "State:\tZ" in (decoder / "status").read_text(),
        timeout_s=10,
        what="the decoder has ended",
    )
