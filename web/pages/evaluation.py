"""How the model did on scans it was not trained on, as its evaluation left it. Plain JSON and pictures."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

FOLDER = "evaluation"
# The test split first: nothing was chosen on it.
SPLITS = ("test", "val")
# Files drawn for a split, and what they show to those who cannot see them.
PLOTS = {
    "roc": "ROC curve: sensitivity over false positive rate, by slice",
    "froc": "FROC curves: lesions found over false positives per slice, by size of lesion",
    "calibration": "Calibration: share of slices with tumor over the confidence given",
    "failures": "The worst slices, one of a scan: what the expert drew in green, what the model found in orange",
}
FRONT = "search-front.png"
# Each figure in words, and what it does and does not say.
MEANINGS = {
    "tumor_dice_global": (
        "Tumor outline, Dice over all pixels",
        "Overlap with what the expert drew; large tumors count most.",
    ),
    "tumor_dice_per_scan": ("Tumor outline, Dice per scan", "Every scan with tumor counts alike, small tumors too."),
    "slice_auc": (
        "Tumor or none, area under the ROC curve",
        "How well slices with tumor rank above those without; nothing of where the tumor is.",
    ),
    "sensitivity_at_90_specificity": (
        "Slices with tumor that are found at one false alarm in ten",
        "At a threshold of its own, not the one in use.",
    ),
    "slice_sensitivity": ("Slices with tumor that are found", "As it runs. Any mark counts, wherever it lies."),
    "slice_specificity": ("Slices without tumor that stay clear", "As it runs, on slices that show the liver."),
    "slice_accuracy": ("Slices judged rightly", "Depends on how many slices have tumor: more here than in practice."),
    "calibration_error": ("Calibration error", "How far the probability given is off on average; less is better."),
    "liver_dice_global": (
        "Liver outline, Dice over all pixels",
        "Overlap with what the expert drew; says nothing of tumors.",
    ),
    "liver_dice_per_scan": ("Liver outline, Dice per scan", "The same, every scan counting alike."),
    "pixel_accuracy": (
        "Pixels judged rightly: background, liver or tumor",
        "Most pixels are background, which is easy: a high value says little.",
    ),
    "tumor_pixel_accuracy": (
        "Pixels judged rightly: tumor or not",
        "A network that never finds a tumor reaches more than 99 %.",
    ),
}


@dataclass(frozen=True)
class Report:
    """The evaluation on one split, and the plots that are there."""

    split: str
    content: dict[str, Any]
    baseline: dict[str, Any] | None
    plots: dict[str, str]

    @property
    def figures(self) -> list[tuple[str, str, dict[str, Any], float | None]]:
        """What was measured: its words, what it says, its value and interval, and the ancestor's value."""
        others = (self.baseline or {}).get("figures", {})
        measured = self.content.get("figures", {})
        return [
            (words, meaning, measured[name], others.get(name, {}).get("value"))
            for name, (words, meaning) in MEANINGS.items()
            if measured.get(name, {}).get("value") is not None
        ]


@dataclass(frozen=True)
class Evaluation:
    """All that was measured; empty where nothing was."""

    reports: list[Report]
    tried: list[dict[str, Any]]
    ablated: list[dict[str, Any]]
    has_front: bool
    earlier: dict[str, Any]


def read_evaluation(model_dir: Path, sha256: str) -> Evaluation:
    """Read the reports on the network of this digest; one on another network is not shown."""
    folder = model_dir / FOLDER
    reports = []
    for split in SPLITS:
        content = read_json(folder / f"{split}.json")
        if content.get("sha256") == sha256:
            plots = {f"{split}-{name}.png": words for name, words in PLOTS.items()}
            there = {name: words for name, words in plots.items() if (folder / name).exists()}
            reports.append(Report(split, content, read_json(folder / f"baseline-{split}.json") or None, there))
    tried = read_json(folder / "search.json").get("rows", [])
    ablation = read_json(folder / "ablation.json")
    ablated = ablation["rows"] if ablation.get("sha256") == sha256 else []
    return Evaluation(reports, tried, ablated, (folder / FRONT).exists(), read_json(folder / "earlier.json"))


def is_plot(name: str) -> bool:
    """Tell whether a file's name is one of the plots'."""
    return name == FRONT or name in {f"{split}-{plot}.png" for split in SPLITS for plot in PLOTS}


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, or an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logger.warning("evaluation cannot be read error=%s", type(error).__name__)
        return {}
    return content if isinstance(content, dict) else {}
