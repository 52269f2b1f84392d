"""The model card: every figure from the reports, and a plain word or a dash for what was not measured."""

import json
from pathlib import Path
from typing import Any

import pytest

import models
from models.card import ABLATED, SIZES, main, tried_rows
from models.contract import CONTRACT_NAME

FIGURE = {"value": 0.6214, "low": 0.5, "high": 0.7}
REPORT: dict[str, Any] = {
    "slices": 100, "persons": 5, "figures": {"tumor_dice_global": FIGURE, "tumor_pixel_accuracy": FIGURE},
    "confusion": {"true_positive": 41, "false_negative": 9, "false_positive": 7, "true_negative": 43},
    "lesions": {
        "recall": {size: {"lesions": 8, "found": 6} for size in SIZES},
        "false_positives_per_slice": 0.25,
    },
    "affected_percent": {"mean_error": -1.5, "limits_90": [-9, 4], "correlation": 0.5},
}  # fmt: skip
NETWORK = {
    "name": "U-Net, plain", "width": 16, "side": 128, "parameters": 1234567, "training_slices": 7000,
    "precision": "float32", "liver_dice_global": None, "tumor_dice_global": 0.5126, "tumor_dice_per_scan": 0.3,
    "slice_auc": 0.8, "ms_batch_1": 20.04, "ms_batch_8": 18.0,
}  # fmt: skip


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A folder with a contract, a report on its network, and others' figures."""
    facts = json.loads((Path(models.__path__[0]) / CONTRACT_NAME).read_text())
    facts["precision"] = {"allowed_fall": {"tumor_dice_global": 0.005, "slice_auc": 0.003}}
    (tmp_path / CONTRACT_NAME).write_text(json.dumps(facts))
    report = REPORT | {"split": "test", "sha256": facts["sha256"]}
    (tmp_path / "test.json").write_text(json.dumps(report))
    others = {"note": "Not comparable.", "rows": [{"system": "X", "figure": "9 %"}]}
    (tmp_path / "earlier.json").write_text(json.dumps(others))
    return tmp_path


def write_card(reports: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the command as people do, and return the card it writes."""
    out = reports / "card.md"
    monkeypatch.setattr("sys.argv", ["card", "--reports", str(reports), "--model", str(reports), "--out", str(out)])
    main()
    return out.read_text()


def test_the_card_says_what_was_not_measured(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = write_card(reports, monkeypatch)

    assert "The ancestor: not measured." in card
    assert card.partition("## What was tried")[2].strip().startswith("Not measured.")
    assert "search-front.png" not in card
    assert "Not drawn." in card
    assert "0.621 (0.500 to 0.700)" in card
    assert "| liver Dice, all pixels of the split | – |" in card


def test_the_card_puts_the_ancestor_and_the_networks_tried_beside(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ancestor = REPORT | {"split": "test", "sha256": "other", "figures": {"tumor_dice_global": FIGURE | {"value": 0.05}}}
    (reports / "baseline-test.json").write_text(json.dumps(ancestor | {"affected_percent": None}))
    (reports / "search.json").write_text(json.dumps({"rows": [NETWORK]}))
    ablated = dict.fromkeys(ABLATED, 0.5) | {"name": "no smallest size", "slice_auc": 0.7}
    (reports / "ablation.json").write_text(json.dumps({"rows": [ablated]}))
    (reports / "test-failures.png").write_bytes(b"a picture")

    card = write_card(reports, monkeypatch)

    assert "0.621 (0.500 to 0.700) | 0.050 (0.500 to 0.700)" in card
    assert "not measured" not in card.lower()
    assert "![worst slices of test](test-failures.png)" in card
    assert "1,234,567" in card
    assert "| no smallest size | 0.500 | 0.500 | 0.700 | 0.500 | 0.500 | 0.500 |" in card


def test_a_report_on_another_network_is_refused(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = json.loads((reports / "test.json").read_text())
    (reports / "test.json").write_text(json.dumps(report | {"sha256": "0" * 64}))

    with pytest.raises(ValueError, match="evaluate again"):
        write_card(reports, monkeypatch)


def test_networks_stand_best_first_with_a_dash_for_what_was_not_measured() -> None:
    unmeasured = {"name": "bare", "width": 8, "tumor_dice_global": None}

    *_, best, last = tried_rows([unmeasured, NETWORK])

    assert best == (
        "| U-Net, plain | 128 | 16 | 1,234,567 | 7,000 | float32 | – | 0.513 | 0.300 | 0.800 | 20.0 | 18.0 |"
    )
    assert last == "| bare | – | 8 |" + " – |" * 9


def test_the_front_is_drawn_of_what_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from models.search import draw_front

    draw_front([NETWORK, NETWORK | {"precision": "int8", "ms_batch_8": None}, {"name": "bare"}], tmp_path / "front.png")

    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
