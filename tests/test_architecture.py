"""The arrows between the packages, checked on what each entry point really loads, in an interpreter of its own."""

import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# numpy, pydicom and alembic are only for the memory they take.
NOT_FOR_WEB = {"onnxruntime", "cv2", "torch", "models", "worker", "numpy", "pydicom", "alembic"}
NOT_FOR_WORKER = {"flask", "torch", "web"}
NOT_FOR_SHARED = {"flask", "onnxruntime", "cv2", "torch", "web", "worker", "models"}
NOT_FOR_MODELS = {"flask", "celery", "sqlalchemy", "torch", "web", "worker", "shared"}


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (["web.wsgi"], NOT_FOR_WEB),
        (["worker.app"], NOT_FOR_WORKER),
        (["shared.queue", "shared.migrate", "shared.storage", "shared.jobs.submit"], NOT_FOR_SHARED),
        (["models.pipeline", "models.scan"], NOT_FOR_MODELS),
    ],
    ids=["web", "worker", "shared", "models"],
)
def test_an_entry_point_loads_only_what_it_may(modules: list[str], forbidden: set[str], tmp_path: Path) -> None:
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    environment = os.environ | {"DATA_DIR": str(tmp_path), "DATABASE_URL": "", "REDIS_URL": ""}

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert forbidden & set(json.loads(done.stdout)) == set()


def test_the_analysis_needs_no_more_than_the_peers_of_the_bench_get() -> None:
    ours, theirs = pins(ROOT / "requirements.txt"), pins(ROOT / "bench/peers/requirements.txt")
    code = "import json, sys; sys.modules.update(dict.fromkeys(json.load(sys.stdin))); import bench.peers.work"
    missing = [
        m for m, names in packages_distributions().items() if {n.lower() for n in names} & set(ours) - set(theirs)
    ]

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, input=json.dumps(missing), capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert theirs.items() <= ours.items()


def pins(requirements: Path) -> dict[str, str]:
    """Return the version of each pinned package."""
    return dict(line.split()[0].split("==") for line in requirements.read_text().splitlines() if "==" in line)


def test_no_test_folder_shadows_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
