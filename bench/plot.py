"""The plot: everybody's share of the engine's ceiling."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from bench.summary import Row


def plot_ratios(rows: list[Row], path: Path, title: str) -> None:
    """Draw a bar for each system, with the lowest and the highest round."""
    ordered = sorted(rows, key=lambda row: row["ratio"]["median"])
    middle = [row["ratio"]["median"] for row in ordered]
    below = [m - row["ratio"]["min"] for m, row in zip(middle, ordered, strict=True)]
    above = [row["ratio"]["max"] - m for m, row in zip(middle, ordered, strict=True)]
    colours = ["#1f6f8b" if row["ready_s"] else "#b8b8b8" for row in ordered]
    figure, axes = pyplot.subplots(figsize=(8, 0.45 * len(rows) + 1.4), layout="constrained")
    axes.barh([row["name"] for row in ordered], middle, xerr=[below, above], color=colours, capsize=3)
    for place, row in enumerate(ordered):
        axes.text(
            row["ratio"]["max"] + 0.01, place, f" {row['jobs_per_s']['median']:.1f} jobs/s", va="center", fontsize=8
        )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlim(0, 1.2)
    axes.set_xlabel("jobs per second ÷ raw images per second of the engine on all cores;\nmedian, lowest–highest")
    axes.set_title(title, fontsize=10)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
