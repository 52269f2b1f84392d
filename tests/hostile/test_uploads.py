"""Every hostile file, over HTTP and through a worker: its own code and sentence, no trace left, the next scan works."""

import os
import re
from pathlib import Path

import pytest

from tests.hostile.target import CANARY, Target
from tests.hostile.uploads import UPLOADS, Upload

pytestmark = pytest.mark.system


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda upload: upload.name)
def test_a_hostile_file(target: Target, upload: Upload) -> None:
    before = target.rows()

    answer = target.submit(upload.content)

    assert answer.status_code == upload.status, answer.text
    assert CANARY not in answer.text
    if upload.status == 202:
        job = target.ended(answer)
        assert (job["status"], (job["error"] or {}).get("code", "")) == (
            "failed" if upload.code else "succeeded",
            upload.code,
        )
        detail = job["error"]["detail"] if upload.code else "."
    else:
        assert answer.json()["code"] == upload.code
        assert answer.json()["request_id"]
        assert target.rows() == before
        detail = answer.json()["detail"]
    assert re.fullmatch(r"([A-Z].{15,}|)\.", detail), detail
    assert target.leftovers() == []
    target.assert_well()


def test_no_process_has_grown_out_of_bounds(target: Target) -> None:
    """After all of the above, bombs included; the decoder's own bound is two gigabytes."""
    peaks_mib = {}
    for pid in family(target.system.process.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        name = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:60]
        if peak := re.search(r"VmHWM:\s+(\d+) kB", status):
            peaks_mib[f"{pid} {name}"] = int(peak[1]) // 1024

    assert len(peaks_mib) >= 4
    assert max(peaks_mib.values()) < 700, peaks_mib


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children if os.path.exists(f"/proc/{child}") for found in family(int(child)))]
