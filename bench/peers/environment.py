"""An environment for each peer, made when it is first needed and again when its requirements change."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".venvs"


def environment(name: str) -> Path:
    """Return the folder of the peer's commands, installed first if need be.

    Raises:
        RuntimeError: it cannot be installed; the message is pip's.
    """
    own = Path(__file__).with_name(f"requirements-{name}.txt")
    common = Path(__file__).with_name("requirements.txt")
    place = FOLDER / name
    digest = sha256(own.read_bytes() + common.read_bytes() + sys.version.encode()).hexdigest()
    ready = place / ".ready"
    if not ready.exists() or ready.read_text() != digest:
        print(f"  installing {name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(place / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "-r", str(own), "-r", str(common)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} cannot be installed: {done.stderr[-1000:]}")
        ready.write_text(digest)
    return place / "bin"
