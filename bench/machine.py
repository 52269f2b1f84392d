"""What it was measured on."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, text

from models.contract import load_contract
from shared.embedded_redis import find_redis_server, version_of

PACKAGES = (
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
    "celery",
    "kombu",
    "redis",
    "sqlalchemy",
    "flask",
    "gunicorn",
)


def describe(database_url: str) -> dict[str, Any]:
    """Return processor, memory, system and versions."""
    contract = load_contract(Path("models").resolve())
    found = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "redis-server": ".".join(map(str, version_of(find_redis_server()))),
        "network": f"{contract.name} {contract.version}, {contract.side} px, SHA-256 {contract.sha256[:12]}",
        "load_before": round(os.getloadavg()[0], 2),
    }
    if database_url:
        engine = create_engine(database_url)
        with engine.connect() as connection:
            found["database"] = connection.execute(text("SELECT version()")).scalar_one()
        engine.dispose()
    return found


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str:
    """Return the commit that is measured."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
