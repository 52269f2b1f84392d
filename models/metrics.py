"""Measures of detection and segmentation, and their intervals. NumPy only."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RESAMPLES = 400
INTERVAL = (2.5, 97.5)
CALIBRATION_BINS = 10


def rank_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve by ranks (Mann-Whitney), ties counted half; nan if one class is empty.

    Args:
        scores: (N,) float, higher for a positive.
        positive: (N,) bool.
    """
    count = int(positive.sum())
    if count in (0, len(positive)):
        return float("nan")
    ordered = np.sort(scores)
    ranks = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right") + 1) / 2
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (false positive rate, true positive rate) at every distinct score, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    hits = positive[order]
    last = np.append(np.diff(scores[order]) != 0, True)  # ties move together
    true = np.cumsum(hits)[last] / max(1, hits.sum())
    false = np.cumsum(~hits)[last] / max(1, (~hits).sum())
    return np.append(0.0, false), np.append(0.0, true)


def sensitivity_at(scores: np.ndarray, positive: np.ndarray, specificity: float) -> float:
    """Return the best sensitivity of any threshold with at least this specificity."""
    false, true = roc_curve(scores, positive)
    return float(true[false <= 1 - specificity + 1e-12].max())


def expected_calibration_error(probabilities: np.ndarray, positive: np.ndarray) -> float:
    """Return the mean gap between what was said and what was so, over equal bins, weighted by their slices.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    return float(sum(row["share"] * abs(row["said"] - row["so"]) for row in calibration_curve(probabilities, positive)))


def calibration_curve(probabilities: np.ndarray, positive: np.ndarray) -> list[dict[str, float]]:
    """Return for each filled bin of probability its share of slices, the mean said, and the share that was so."""
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    rows = []
    for index in range(CALIBRATION_BINS):
        inside = bins == index
        if inside.any():
            said, so = float(probabilities[inside].mean()), float(positive[inside].mean())
            rows.append({"share": float(inside.mean()), "said": said, "so": so})
    return rows


def fit_platt(logits: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Return slope and offset that make sigmoid(slope * logit + offset) the likeliest.

    By Newton's method, each step halved until it does not make things worse.

    Args:
        logits: (N,) float.
        positive: (N,) bool.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999.
    """
    design = np.stack([logits, np.ones_like(logits)], 1)

    def surprise(coefficients: np.ndarray) -> float:
        # log(1 + e^z) - y z, without overflow.
        return float((np.logaddexp(0, design @ coefficients) - positive * (design @ coefficients)).sum())

    coefficients = np.zeros(2)
    for _ in range(50):
        said = 1 / (1 + np.exp(-np.clip(design @ coefficients, -30, 30)))
        curvature = (design * (said * (1 - said))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (said - positive))
        while surprise(coefficients - step) > surprise(coefficients) and np.abs(step).max() > 1e-9:
            step = step / 2
        coefficients = coefficients - step
    return float(coefficients[0]), float(coefficients[1])


def with_interval(measure: Callable[[np.ndarray], float], persons: Sequence[str], *, seed: int = 1) -> dict[str, Any]:
    """Return a measure over all slices with its 95 % interval, by drawing persons with replacement.

    By persons, not slices: the slices of one person are alike, and drawn singly would make the interval too narrow.

    Args:
        measure: takes the indices of slices, (M,) int, and returns a figure; nan where it is not defined.
        persons: the person of each slice.
    """
    names, owner = np.unique(np.asarray(persons), return_inverse=True)
    slices = [np.flatnonzero(owner == index) for index in range(len(names))]
    random = np.random.default_rng(seed)
    drawn = [
        measure(np.concatenate([slices[i] for i in random.integers(len(names), size=len(names))]))
        for _ in range(RESAMPLES)
    ]
    value = measure(np.arange(len(owner)))
    known = [figure for figure in drawn if not np.isnan(figure)]
    if np.isnan(value) or not known:
        return {"value": None, "low": None, "high": None}
    low, high = np.percentile(known, INTERVAL)
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}
