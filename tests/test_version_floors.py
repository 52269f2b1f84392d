"""What is installed is new enough: below these versions there are known holes."""

import re
import subprocess
from importlib.metadata import version

import pytest
from packaging.version import Version

from shared.embedded_redis import find_redis_server

FLOORS = {
    "pillow": ("13.0.0", "CVE-2026-112403: overflow in the JPEG decoder"),
    "pydicom": ("3.0.2", "CVE-2026-32711: paths in file sets"),
    "pymysql": ("1.2.4", "GHSA-m75w-33c4-7v8q: escaping"),
    "flask": ("3.1.3", "GHSA-68rp-wp8r-4726: sessions in caches"),
    "werkzeug": ("3.1.9", "form memory, safe_join"),
    "celery": ("5.7.0", "CVE-2021-23727 and what the queue relies on"),
    "kombu": ("5.7.0", "what the queue relies on"),
    "redis": ("6.4", "CVE-2023-28859, and Celery's own floor"),
    "opencv-python-headless": ("5.0.0.93", "CVE-2023-4863, CVE-2026-22801 in what it brings"),
    "gunicorn": ("23.0", "CVE-2024-1135, CVE-2024-6827: request smuggling"),
    "sqlalchemy": ("2.1", "skip_autocommit_rollback"),
    "argon2-cffi": ("25.1", "current"),
    "cryptography": ("46", "current"),
    "requests": ("2.32.4", "CVE-2024-47081"),
    "flask-login": ("0.6.3", "works with Werkzeug 3"),
}


@pytest.mark.parametrize("name", FLOORS)
def test_what_is_installed_has_no_known_hole(name: str) -> None:
    floor, why = FLOORS[name]

    assert Version(version(name)) >= Version(floor), why


def test_no_onnx_tooling_is_needed_to_serve() -> None:
    """The parser of onnx has had holes; serving loads networks by digest, with onnxruntime alone."""
    done = subprocess.run(
        ["grep", "-rnE", r"^\s*(import|from) onnx\b", "web", "worker", "shared", "models/segmenter.py"],
        capture_output=True, text=True,
    )  # fmt: skip

    assert done.stdout == ""


def test_the_redis_server_in_use_is_known() -> None:
    """Its line is told, so that who runs it can compare; an embedded one listens on a private socket alone."""
    said = subprocess.run([find_redis_server(), "--version"], capture_output=True, text=True).stdout
    found = re.search(r"v=([\d.]+)", said)

    assert found, said
    assert Version(found[1]) >= Version("6.2")
