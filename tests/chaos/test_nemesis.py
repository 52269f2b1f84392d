"""A short run of what `make chaos` does for long: faults at random, on each back end."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.server import can_start
from tests.conftest import absent

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "back_end", [[], ["--mariadb"], ["--mariadb", "--workers", "4"]], ids=["sqlite", "mariadb", "4"]
)
def test_faults_at_random_break_no_promise(back_end: list[str]) -> None:
    if "--mariadb" in back_end and not can_start():
        absent("mariadbd", FileNotFoundError("mariadbd"))
    sizes = ["--jobs", "60", "--faults", "8", "--minutes", "2", "--seed", "3"]

    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.nemesis", *sizes, *back_end],
        cwd=ROOT, capture_output=True, text=True, timeout=500,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    jobs, faults = map(int, re.findall(r"^(\d+) jobs, (\d+) faults", done.stdout)[0])
    assert jobs >= 60
    assert faults >= 4
    assert "broken promises: 0" in done.stdout
