"""The slices a network is worst at, as one picture: what the figures hide. Needs Matplotlib, as the plots do."""

from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from models.comparison import Comparison
from models.dataset import SliceInfo, read_pair
from models.pipeline import infer, interpret
from models.postprocess import TUMOR
from models.scan_type import Scan
from models.segmenter import Segmenter

OF_EACH_KIND = 5
# A tumor smaller than this is easily missed, and says little of why.
SMALLEST_MISSED_PX = 100
EXPERT, NETWORK = "#35d07f", "#ff9d2e"
ATTRIBUTION = "Slices: Medical Segmentation Decathlon Task03_Liver (LiTS), CC BY-SA 4.0. Not for diagnosis."


class Failures(NamedTuple):
    """The worst slices of a split, each of another scan, worst first."""

    missed: list[Comparison]
    imagined: list[Comparison]


def pick_failures(rows: list[Comparison]) -> Failures:
    """Return the slices whose tumor overlaps least with what was found, and those without any where most was found."""
    with_tumor = [row for row in rows if row.tumor_true >= SMALLEST_MISSED_PX]
    without = [row for row in rows if not row.tumor_true and row.tumor_found]
    return Failures(
        first_of_each_scan(sorted(with_tumor, key=lambda row: (overlap(row), -row.tumor_true))),
        first_of_each_scan(sorted(without, key=lambda row: -row.tumor_found)),
    )


def overlap(row: Comparison) -> float:
    """Return the tumor Dice of one slice that has tumor."""
    return 2 * row.tumor_both / (row.tumor_true + row.tumor_found)


def first_of_each_scan(rows: list[Comparison]) -> list[Comparison]:
    """Return the first slice of each scan, as many as are shown: neighbours fail alike."""
    first: dict[str, Comparison] = {}
    for row in rows:
        first.setdefault(row.scan, row)
    return list(first.values())[:OF_EACH_KIND]


def draw_failures(failures: Failures, root: Path, split: str, segmenter: Segmenter, out: Path) -> None:
    """Draw the worst slices with both outlines to `<split>-failures.png`.

    Args:
        failures: from `pick_failures`.
        root: folder with the splits.
        split: the one they are of.
        segmenter: the network that was evaluated.
        out: folder to write to.
    """
    figure, grid = plt.subplots(2, OF_EACH_KIND, figsize=(12, 6.1), dpi=90, layout="constrained")
    for axes, rows, kind in zip(grid, failures, ("tumor poorly found", "tumor where there is none"), strict=True):
        for place, row in zip(axes, rows, strict=False):
            draw_failure(place, row, root, split, segmenter)
        for place in axes:
            place.set_axis_off()
        axes[0].set_title(f"{kind}\n{axes[0].get_title()}", fontsize=9)
    figure.suptitle(f"Worst slices of {split}: expert green, network orange. {ATTRIBUTION}", fontsize=9)
    figure.savefig(out / f"{split}-failures.png", metadata={"Software": None}, pil_kwargs={"optimize": True})
    plt.close(figure)


def draw_failure(axes: Axes, row: Comparison, root: Path, split: str, segmenter: Segmenter) -> None:
    """Draw one slice with the expert's outline of tumor and the network's."""
    image, truth = read_pair(root, split, SliceInfo(row.scan, row.person, row.name, row.liver_true, row.tumor_true))
    scan = Scan(image, None, "png", calibrated=False)
    found = interpret(scan, infer([scan], segmenter)[0], segmenter.contract).mask
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    for mask, color in ((truth, EXPERT), (found, NETWORK)):
        if (mask == TUMOR).any():
            axes.contour((mask == TUMOR).astype(np.float32), levels=[0.5], colors=color, linewidths=1)
    words = f"{row.scan} {row.name}: expert {row.tumor_true} px,\nfound {row.tumor_found} px, said {row.confidence:.2f}"
    axes.set_title(words, fontsize=8)
