"""From compared slices to the figures of the model card, each with its interval by person."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from models.comparison import SIZE_BINS, SWEEP, Comparison, LesionCount
from models.metrics import (
    calibration_curve,
    expected_calibration_error,
    rank_auc,
    roc_curve,
    sensitivity_at,
    with_interval,
)

# What screening would bear; also the bound in the figures to reach.
MAX_FALSE_POSITIVES_PER_SLICE = 0.5


def column(rows: list[Comparison], name: str) -> np.ndarray:
    """Return one attribute of every slice, (N,)."""
    return np.array([getattr(row, name) for row in rows])


def make_report(rows: list[Comparison], *, liver: bool = True) -> dict[str, Any]:
    """Return every figure, as JSON would have it; without those of the liver where the network does not know it."""
    persons = [row.person for row in rows]
    figures = segmentation_measures(rows, ("liver", "tumor") if liver else ("tumor",)) | slice_measures(rows)
    if liver:
        figures |= {"pixel_accuracy": pixel_accuracy(rows)}
    return {
        "slices": len(rows),
        "slices_with_tumor": int((column(rows, "tumor_true") > 0).sum()),
        "scans": len({row.scan for row in rows}),
        "persons": len(set(persons)),
        "figures": {name: with_interval(measure, persons) for name, measure in figures.items()},
        "confusion": confusion(rows),
        "lesions": lesion_report(rows),
        "per_scan": per_scan(rows, liver=liver),
        "affected_percent": affected_report(rows) if liver else None,
        "calibration": calibration_curve(column(rows, "confidence"), column(rows, "tumor_true") > 0),
    }


def dice(both: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Return the Dice of summed pixel counts; nan where neither has any."""
    total = one.sum() + other.sum()
    return float(2 * both.sum() / total) if total else float("nan")


def dice_over_all(counts: np.ndarray, indices: np.ndarray) -> float:
    """Return the Dice of chosen slices taken as one, from (3, N) px that are right, true, found."""
    return dice(*counts[:, indices])


def dice_per_scan(counts: np.ndarray, scans: np.ndarray, indices: np.ndarray) -> float:
    """Return the mean Dice of the scans that have the organ; nan if none has.

    Args:
        counts: (3, N) px that are right, true, found.
        scans: (N,) int, the scan of each slice.
        indices: (M,) int, the slices drawn. A scan drawn twice has all its slices twice, and weighs double.
    """
    sizes = np.bincount(scans)
    both, true, found = (np.bincount(scans[indices], row, minlength=len(sizes)) for row in counts[:, indices])
    times = np.bincount(scans[indices], minlength=len(sizes)) / sizes
    present = true > 0
    if not present.any():
        return float("nan")
    return float(np.average(2 * both[present] / (true + found)[present], weights=times[present]))


def segmentation_measures(rows: list[Comparison], organs: tuple[str, ...]) -> dict[str, Callable[[np.ndarray], float]]:
    """Return measures of overlap, each a function of slice indices."""
    scans = np.unique(column(rows, "scan"), return_inverse=True)[1]
    measures: dict[str, Callable[[np.ndarray], float]] = {}
    for organ in organs:
        counts = np.stack([column(rows, f"{organ}_{kind}") for kind in ("both", "true", "found")])  # (3, N)
        measures[f"{organ}_dice_global"] = partial(dice_over_all, counts)
        measures[f"{organ}_dice_per_scan"] = partial(dice_per_scan, counts, scans)
    wrong, pixels = counts[1] + counts[2] - 2 * counts[0], column(rows, "pixels")
    measures["tumor_pixel_accuracy"] = lambda i: float(1 - wrong[i].sum() / pixels[i].sum())
    return measures


def pixel_accuracy(rows: list[Comparison]) -> Callable[[np.ndarray], float]:
    """Return the share of pixels rightly called background, liver or tumor, a function of slice indices."""
    right, pixels = column(rows, "pixels_right"), column(rows, "pixels")
    return lambda i: float(right[i].sum() / pixels[i].sum())


def slice_measures(rows: list[Comparison]) -> dict[str, Callable[[np.ndarray], float]]:
    """Return measures of telling slices with tumor from those without, each a function of slice indices."""
    positive, called = column(rows, "tumor_true") > 0, column(rows, "tumor_found") > 0
    confidence = column(rows, "confidence")
    return {
        "slice_auc": lambda i: rank_auc(confidence[i], positive[i]),
        "sensitivity_at_90_specificity": lambda i: sensitivity_at(confidence[i], positive[i], 0.9),
        "slice_sensitivity": lambda i: ratio((called & positive)[i], positive[i]),
        "slice_specificity": lambda i: ratio((~called & ~positive)[i], ~positive[i]),
        "slice_accuracy": lambda i: float((called == positive)[i].mean()),
        "calibration_error": lambda i: expected_calibration_error(confidence[i], positive[i]),
    }


def ratio(part: np.ndarray, whole: np.ndarray) -> float:
    """Return the share of true entries; nan where there are none to share."""
    return float(part.sum() / whole.sum()) if whole.any() else float("nan")


def confusion(rows: list[Comparison]) -> dict[str, int]:
    """Return how many slices were called rightly and wrongly, by whether any tumor was marked."""
    positive, called = column(rows, "tumor_true") > 0, column(rows, "tumor_found") > 0
    return {
        "true_positive": int((positive & called).sum()),
        "false_negative": int((positive & ~called).sum()),
        "false_positive": int((~positive & called).sum()),
        "true_negative": int((~positive & ~called).sum()),
    }


def lesion_recall(counts: list[LesionCount], low_px: int, high_px: int) -> dict[str, Any]:
    """Return how many of the expert's lesions of low <= size < high px were found."""
    found = [hit for c in counts for size, hit in zip(c.sizes_px, c.found, strict=True) if low_px <= size < high_px]
    return {"lesions": len(found), "found": sum(found), "recall": round(sum(found) / len(found), 4) if found else None}


def lesion_report(rows: list[Comparison]) -> dict[str, Any]:
    """Return recall by size and false positives per slice, at the chosen threshold and over the sweep."""
    chosen = [row.lesions for row in rows]
    froc: list[dict[str, Any]] = []
    for index, threshold in enumerate(SWEEP):
        counts = [row.sweep[index] for row in rows if row.sweep]
        if counts:
            by_size = {name: lesion_recall(counts, *bounds)["recall"] for name, bounds in SIZE_BINS.items()}
            froc.append({"threshold": threshold, "false_positives_per_slice": mean_false(counts), "recall": by_size})
    bearable = [point for point in froc if point["false_positives_per_slice"] <= MAX_FALSE_POSITIVES_PER_SLICE]
    best = max((point["recall"]["100_to_500"] or 0 for point in bearable), default=None)
    return {
        "recall": {name: lesion_recall(chosen, *bounds) for name, bounds in SIZE_BINS.items()},
        "false_positives_per_slice": mean_false(chosen),
        "froc": froc,
        "recall_100_to_500_at_half_a_false_positive": best,
    }


def mean_false(counts: list[LesionCount]) -> float:
    """Return the false positives per slice."""
    return round(float(np.mean([count.false_positives for count in counts])), 4)


def per_scan(rows: list[Comparison], *, liver: bool) -> list[dict[str, Any]]:
    """Return each scan's Dice and whether it was called: a scan is, if any of its slices is."""
    table = []
    for scan in sorted({row.scan for row in rows}):
        own = [row for row in rows if row.scan == scan]
        of_liver = dice(*(column(own, f"liver_{kind}") for kind in ("both", "true", "found")))
        has_tumor = bool(column(own, "tumor_true").any())
        tumor = dice(*(column(own, f"tumor_{kind}") for kind in ("both", "true", "found")))
        table.append(
            {
                "scan": scan,
                "slices": len(own),
                "liver_dice": round(of_liver, 4) if liver else None,
                "tumor_dice": round(tumor, 4) if has_tumor else None,
                "has_tumor": has_tumor,
                "called": bool(column(own, "tumor_found").any()),
            }
        )
    return table


def affected_report(rows: list[Comparison]) -> dict[str, Any]:
    """Return the error of the per cent of liver affected, found less true, and the correlation of the two."""
    liver_found = column(rows, "liver_found")
    seen = liver_found > 0
    true = (100 * column(rows, "tumor_true") / np.maximum(column(rows, "liver_true"), 1))[seen]
    found = (100 * column(rows, "tumor_found") / np.maximum(liver_found, 1))[seen]
    error = found - true
    low, high = np.percentile(error, (5, 95))
    return {
        "slices": int(seen.sum()),
        "mean_error": round(float(error.mean()), 3),
        "mean_absolute_error": round(float(np.abs(error).mean()), 3),
        "limits_90": [round(float(low), 3), round(float(high), 3)],
        "correlation": round(float(np.corrcoef(true, found)[0, 1]), 4) if true.std() and found.std() else None,
    }


def roc_points(rows: list[Comparison]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ROC curve of the slice confidence."""
    return roc_curve(column(rows, "confidence"), column(rows, "tumor_true") > 0)
