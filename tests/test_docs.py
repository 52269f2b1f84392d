"""The documents tell the truth: commands exist, files exist, codes and addresses are all there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RunningSystem

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SENTENCE = "Not a medical device"


def code_blocks(path: Path) -> list[str]:
    return re.findall(r"```\n(.*?)```", path.read_text(), re.S)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_document_says_what_hepaq_is_for(path: Path) -> None:
    assert SENTENCE in path.read_text()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text())

    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_make_chore_that_is_named_exists(path: Path) -> None:
    named = set(
        re.findall(r"make (?:-s )?([a-z]+)\b", "\n".join(code_blocks(path) + re.findall(r"`[^`]+`", path.read_text())))
    )
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))

    assert named <= targets


def test_make_alone_lists_every_chore() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True).stdout
    targets = re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(), re.M)

    assert [t for t in targets if f"make {t} " not in said] == []


def test_every_code_the_api_can_answer_is_documented() -> None:
    folders = [path for folder in ("shared", "models", "worker", "web/api") for path in (ROOT / folder).rglob("*.py")]
    files = [
        *folders,
        *(
            ROOT / "web" / name
            for name in (
                "intake.py",
                "scan_header.py",
                "nifti_header.py",
                "nifti_clean.py",
                "dicom_header.py",
                "series_archive.py",
                "queries.py",
            )
        ),
    ]
    source = "\n".join(path.read_text() for path in files)
    codes = set(re.findall(r'InvalidScan\(\s*"([a-z_]+)"', source))
    codes |= set(re.findall(r'\bcode="([a-z_]+)"', source))
    codes |= set(re.findall(r'^    40[0-9]: \("([a-z_]+)"', (ROOT / "web/errors.py").read_text(), re.M))
    documented = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs/api.md").read_text()))

    assert len(codes) > 15
    assert codes - documented == set()


def test_every_address_of_the_api_is_documented(tmp_path: Path) -> None:
    code = (
        "from web import create_app; "
        "print('\\n'.join(r.rule for r in create_app().url_map.iter_rules() if r.rule.startswith('/api/v1/')))"
    )
    environment = os.environ | {"DATA_DIR": str(tmp_path), "DATABASE_URL": "", "REDIS_URL": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    served = {rule.replace("<", "{").replace(">", "}") for rule in done.stdout.split()}

    documented = set(re.findall(r"(/api/v1/[^` ?]+)", (ROOT / "docs/api.md").read_text()))
    assert served - documented == set()


@pytest.mark.system
def test_the_readmes_terminal_commands_work(running_system: RunningSystem, tmp_path: Path) -> None:
    environment = running_system.environment | {"HEPAQ_TOKEN": "", "COUNT": "3"}
    environment.pop("HEPAQ_TOKEN")
    lines = [line.split("#")[0].strip() for block in code_blocks(ROOT / "README.md") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith(("export HEPAQ_TOKEN", "make submit", "make demo"))]
    folder = tmp_path / "folder"
    subprocess.run(
        [sys.executable, "-m", "models.phantom", "--out", str(folder), "--count", "2"],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    script = "\n".join(commands).replace("PATH_TO=folder", f"PATH_TO={folder}")

    done = subprocess.run(
        ["bash", "-euc", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    assert "2 of 2 succeeded" in done.stdout
    assert "3 of 3 succeeded" in done.stdout


@pytest.mark.parametrize("name", ["security.md", "faults.md"])
def test_every_test_that_is_named_exists(name: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / name).read_text()))
    written = {
        found for path in (ROOT / "tests").rglob("*.py") for found in re.findall(r"def (test_\w+)", path.read_text())
    }

    assert len(named) > 30
    assert named - written == set()
