"""The arrows between the packages, checked on what each entry point really loads, in an interpreter of its own."""

import json
import os
import subprocess
import sys
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


def test_no_test_folder_shadows_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
