"""The plots of an evaluation. Needs Matplotlib, which nothing that serves installs."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from models.comparison import Comparison
from models.report import roc_points

SIZE_LABELS = {"below_20": "< 20 px", "20_to_100": "20-100 px", "100_to_500": "100-500 px", "above_500": "> 500 px"}


def draw_plots(rows: list[Comparison], report: dict[str, Any], out: Path) -> None:
    """Draw ROC, FROC, calibration and confusion as PNG files named by split and plot."""
    drawings = {"roc": draw_roc, "froc": draw_froc, "calibration": draw_calibration, "confusion": draw_confusion}
    for name, draw in drawings.items():
        figure, axes = plt.subplots(figsize=(5, 4.4), dpi=110, layout="constrained")
        draw(axes, rows, report)
        figure.savefig(out / f"{report['split']}-{name}.png", metadata={"Software": None})
        plt.close(figure)


def draw_roc(axes: Axes, rows: list[Comparison], report: dict[str, Any]) -> None:
    """Draw sensitivity over the false positive rate, by slice."""
    false, true = roc_points(rows)
    auc = report["figures"]["slice_auc"]
    axes.plot(false, true)
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title=f"Slice with tumor: AUC {auc['value']}")


def draw_froc(axes: Axes, rows: list[Comparison], report: dict[str, Any]) -> None:
    """Draw the recall of lesions over false positives per slice, by size."""
    points = report["lesions"]["froc"]
    for name, label in SIZE_LABELS.items():
        known = [p for p in points if p["recall"][name] is not None]
        axes.plot(
            [p["false_positives_per_slice"] for p in known], [p["recall"][name] for p in known], "o-", label=label
        )
    axes.set(
        xlabel="false positives per slice", ylabel="lesions found", ylim=(0, 1), title="Lesions by size (at 224 px)"
    )
    axes.legend()


def draw_calibration(axes: Axes, rows: list[Comparison], report: dict[str, Any]) -> None:
    """Draw how often a slice had tumor over the confidence given."""
    bins = report["calibration"]
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.scatter([b["said"] for b in bins], [b["so"] for b in bins], s=[20 + 400 * b["share"] for b in bins])
    axes.set(xlabel="confidence given", ylabel="share with tumor", title="Calibration (area: share of slices)")


def draw_confusion(axes: Axes, rows: list[Comparison], report: dict[str, Any]) -> None:
    """Draw the confusion matrix of slices."""
    c = report["confusion"]
    table = [[c["true_negative"], c["false_positive"]], [c["false_negative"], c["true_positive"]]]
    axes.imshow(table, cmap="Blues")
    for y, line in enumerate(table):
        for x, count in enumerate(line):
            axes.text(x, y, str(count), ha="center", va="center", bbox={"facecolor": "white", "edgecolor": "none"})
    axes.set(xticks=[0, 1], yticks=[0, 1], xlabel="called", ylabel="expert", title="Slices")
    axes.set_xticklabels(["no tumor", "tumor"])
    axes.set_yticklabels(["no tumor", "tumor"])
