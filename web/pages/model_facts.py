"""What the model's contract says of it, for people to read. Plain JSON: the web never loads the model."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

CONTRACT_NAME = "liver_tumor.json"
# Figures worth a place on the page, in this order: name in the contract, words.
FIGURES = {
    "slice_auc": "Tumor or none, area under the ROC curve",
    "slice_sensitivity": "Slices with tumor that are found",
    "slice_specificity": "Slices without tumor that stay clear",
    "liver_dice_per_scan": "Liver outline, Dice per scan",
    "tumor_dice_per_scan": "Tumor outline, Dice per scan",
    "tumor_dice_global": "Tumor outline, Dice over all pixels",
}
# A figure on scans that nothing was chosen on says more than one on those that settings were chosen on.
SPLITS = {"test": "test scans, never used before", "val": "validation scans, on which settings were chosen"}


@dataclass(frozen=True)
class Figure:
    """A measured figure with its 95 % interval, where the contract gives one."""

    words: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ModelFacts:
    """The contract as the pages show it; what it lacks is empty."""

    contract: dict[str, Any]
    split: str
    measured_on: dict[str, Any]
    figures: dict[str, Figure]

    @property
    def split_words(self) -> str:
        """What the figures were measured on, in words."""
        return SPLITS.get(self.split, self.split)

    @property
    def missed_share(self) -> float | None:
        """The share of slices with tumor in which the model found none."""
        return self.short_of_one("slice_sensitivity")

    @property
    def false_alarm_share(self) -> float | None:
        """The share of slices without tumor in which the model found one."""
        return self.short_of_one("slice_specificity")

    def short_of_one(self, name: str) -> float | None:
        """Return what a figure lacks to one, where it was measured."""
        found = self.figures.get(name)
        return None if found is None else 1 - found.value


def read_facts(model_dir: Path) -> ModelFacts | None:
    """Read the contract; None where there is none, or none that can be read: pages do without."""
    try:
        contract = json.loads((model_dir / CONTRACT_NAME).read_text())
    except (OSError, ValueError) as error:
        logger.warning("model facts cannot be read error=%s", type(error).__name__)
        return None
    if not isinstance(contract, dict):
        return None
    metrics = contract.get("metrics")
    metrics = metrics if isinstance(metrics, dict) else {}
    split = next((name for name in (*SPLITS, *metrics) if isinstance(metrics.get(name), dict)), "")
    measured = metrics.get(split, {})
    return ModelFacts(contract, split, measured, read_figures(measured.get("figures")))


def read_figures(measured: object) -> dict[str, Figure]:
    """Return the figures that are there and are numbers."""
    found: dict[str, Figure] = {}
    for name, words in FIGURES.items():
        entry = measured.get(name) if isinstance(measured, dict) else None
        value = entry.get("value") if isinstance(entry, dict) else entry
        if isinstance(value, int | float):
            low, high = (entry.get("low"), entry.get("high")) if isinstance(entry, dict) else (None, None)
            found[name] = Figure(words, value, low, high)
    return found
