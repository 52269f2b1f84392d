"""What holds for every template, script and style sheet: nothing inline, nothing from elsewhere, enough contrast."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.phantom import draw_phantom
from shared import errors
from web.pages.advice import ADVICE
from web.pages.model_facts import read_facts

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
STATIC = sorted(path for path in (WEB / "static").rglob("*") if path.suffix in (".js", ".css"))
# WCAG 2.2, 1.4.3: text against its background.
ENOUGH_CONTRAST = 4.5


class Inline(HTMLParser):
    """Collects what a strict content security policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attributes}
        self.found += [f"<{tag} {name}>" for name in names if name == "style" or name.startswith("on")]
        self.found += [
            f"<{tag} {name}={value}>" for name, value in attributes if (value or "").startswith("javascript:")
        ]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(f"<{tag}>")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_nothing_inline(path: Path) -> None:
    parser = Inline()

    # Jinja's own tags may stand where attributes do.
    parser.feed(re.sub(r"\{[%{#].*?[%}#]\}", "", path.read_text(), flags=re.DOTALL))

    assert parser.found == []


@pytest.mark.parametrize("path", [*TEMPLATES, *STATIC], ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    addresses = re.findall(r"""(?:src|href|url\(|from|import)\s*[=(]?\s*["']?(https?:)?//""", path.read_text())

    assert addresses == []


@pytest.mark.parametrize("path", [path for path in STATIC if path.suffix == ".js"], ids=lambda path: path.name)
def test_a_script_builds_no_code_and_no_markup_from_text(path: Path) -> None:
    text = path.read_text()

    assert not re.search(r"\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML|\.style\b", text)
    # Rows that our own server rendered and escaped are the one exception.
    assert len(re.findall(r"innerHTML", text)) == (1 if path.name == "jobs.js" else 0)


def test_every_form_carries_its_token() -> None:
    for path in TEMPLATES:
        forms = re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(), flags=re.DOTALL)
        for form in forms:
            assert 'name="csrf_token"' in form, path.name


def test_scripts_and_styles_are_few_and_small() -> None:
    sizes = {path.name: path.stat().st_size for path in STATIC}

    assert sum(sizes.values()) < 80_000, sizes
    assert all(len(path.read_text().splitlines()) <= 250 for path in STATIC if path.suffix == ".js")


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast of two colours, 1 to 21."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def palette(scheme: int) -> dict[str, str]:
    """The style sheet's colours; 0 for light, 1 for dark."""
    css = (WEB / "static" / "hepaq.css").read_text()
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", css)
    return {name: (light, dark)[scheme] for name, light, dark in pairs}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((text, ground) for text in ("ink", "muted", "accent") for ground in ("page", "surface", "sunken")),
        *((name, f"{name}-tint") for name in ("good", "bad", "warn", "info")),
        *((name, "surface") for name in ("good", "bad", "warn", "info")),
        *(("ink", f"{name}-tint") for name in ("good", "bad", "warn", "info")),
        ("on-accent", "accent"),
        ("on-accent", "accent-hover"),
        ("page", "ink"),
    ],
)
def test_text_stands_out_from_its_ground(scheme: int, text: str, ground: str) -> None:
    colours = palette(scheme)

    assert contrast(colours[text], colours[ground]) >= ENOUGH_CONTRAST


def known_codes() -> set[str]:
    """Every code with which a scan or an upload is refused or fails."""
    codes = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
    for path in (
        WEB / "scan_header.py",
        WEB / "intake.py",
        ROOT / "worker" / "batch.py",
        *(ROOT / "models").glob("*.py"),
    ):
        text = path.read_text()
        codes |= set(re.findall(r'code="(\w+)"', text)) | set(re.findall(r'InvalidScan\(\s*"(\w+)"', text))
    return codes


# Answered by other pages than those that show advice.
NOT_FOR_SCANS = {
    "service_error", "refused", "not_allowed", "not_found", "conflict", "invalid_request", "unavailable",
    "bad_idempotency_key",
}  # fmt: skip


def test_there_is_advice_for_every_refusal() -> None:
    assert known_codes() - NOT_FOR_SCANS - set(ADVICE) == set()


def test_the_samples_are_what_the_generator_draws() -> None:
    samples = sorted((WEB / "static" / "samples").glob("*.png"))

    assert len(samples) == 6
    for seed, path in enumerate(samples, 1):
        assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), draw_phantom(seed).pixels), path.name


@pytest.mark.parametrize("text", ["", "{", "[]", "null"], ids=["empty", "broken", "list", "null"])
def test_facts_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    assert read_facts(tmp_path) is None

    (tmp_path / "liver_tumor.json").write_text(text)

    assert read_facts(tmp_path) is None


def test_figures_on_test_scans_come_before_those_on_validation_scans(tmp_path: Path) -> None:
    def measured(value: float) -> dict[str, object]:
        sensitivity = {"value": value, "low": 0.1, "high": 0.9}
        return {"figures": {"slice_sensitivity": sensitivity, "slice_auc": "unknown"}}

    contract = {"metrics": {"val": measured(0.5), "test": measured(0.25)}}
    (tmp_path / "liver_tumor.json").write_text(json.dumps(contract))

    facts = read_facts(tmp_path)

    assert facts is not None
    assert (facts.split, facts.missed_share, list(facts.figures)) == ("test", 0.75, ["slice_sensitivity"])
