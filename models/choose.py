"""Choose thresholds, smallest lesion and calibration. On validation slices only: the test split has no say here."""

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from models.comparison import parts
from models.contract import Contract
from models.dataset import NATIVE_SIDE
from models.measure import brightest_logit
from models.metrics import fit_platt
from models.postprocess import LIVER, TUMOR, locate, to_scan_grid
from models.predictions import Prediction
from models.report import dice

LIVER_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TUMOR_THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
TUMOR_PEAKS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
SMALLEST_LESIONS_PX = (4, 8, 16, 24, 32, 48)


@dataclass(frozen=True)
class Candidates:
    """What is marked as tumor in one slice at one threshold: size and overlap with the truth, px, and peak of each."""

    sizes: np.ndarray
    overlaps: np.ndarray
    peaks: np.ndarray


def choose_settings(predictions: list[Prediction], contract: Contract) -> tuple[Contract, list[dict[str, Any]]]:
    """Return the contract with the settings that suit the validation slices best, and all that were tried.

    Args:
        predictions: of validation slices.
        contract: the network's, with any settings.
    """
    if contract.knows_liver:
        contract = replace(contract, thresholds=contract.thresholds._replace(liver=choose_liver_threshold(predictions)))
    tumors = [locate(each.probabilities, shape_of(each), contract)[1] for each in predictions]
    tried = try_tumor_settings(predictions, tumors)
    best = max(tried, key=lambda row: row["score"])
    chosen = replace(
        contract,
        thresholds=contract.thresholds._replace(tumor=best["threshold"], tumor_peak=best["peak"]),
        min_lesion_share=best["smallest_px"] / NATIVE_SIDE**2,
        calibration=fit_calibration(predictions, tumors),
    )
    return chosen, tried


def choose_liver_threshold(predictions: list[Prediction]) -> float:
    """Return the liver threshold of the highest global Dice, by pixels alone."""
    counts = np.zeros((len(LIVER_THRESHOLDS), 3))
    for prediction in predictions:
        probability = to_scan_grid(prediction.probabilities, shape_of(prediction))[0]
        truth = prediction.truth >= LIVER
        for row, threshold in zip(counts, LIVER_THRESHOLDS, strict=True):
            found = probability >= threshold
            row += (found & truth).sum(), truth.sum(), found.sum()
    return LIVER_THRESHOLDS[int(np.argmax([dice(*row) for row in counts]))]


def shape_of(prediction: Prediction) -> tuple[int, int]:
    """Return a slice's height and width in px."""
    height, width = prediction.truth.shape
    return height, width


def try_tumor_settings(predictions: list[Prediction], tumors: list[np.ndarray]) -> list[dict[str, Any]]:
    """Return how each tumor threshold, peak and smallest lesion fares.

    The score is the mean of global Dice, Dice per scan and the slice's Youden index: Dice alone would take specks, of
    few pixels but each a false alarm.
    """
    truths = [prediction.truth == TUMOR for prediction in predictions]
    scans = np.unique([prediction.info.scan for prediction in predictions], return_inverse=True)[1]
    true = np.array([truth.sum() for truth in truths])
    tried = []
    for threshold in TUMOR_THRESHOLDS:
        candidates = [find_candidates(tumor, threshold, truth) for tumor, truth in zip(tumors, truths, strict=True)]
        slices = np.repeat(np.arange(len(candidates)), [len(c.sizes) for c in candidates])
        sizes, overlaps, peaks = (
            np.concatenate([getattr(c, name) for c in candidates]) for name in ("sizes", "overlaps", "peaks")
        )
        for peak, smallest_px in product((p for p in TUMOR_PEAKS if p >= threshold), SMALLEST_LESIONS_PX):
            kept = (peaks >= peak) & (sizes >= smallest_px)
            found, both = (np.bincount(slices[kept], of[kept], len(true)) for of in (sizes, overlaps))
            row = {"threshold": threshold, "peak": peak, "smallest_px": smallest_px}
            tried.append(row | judge(scans, true, found, both))
    return tried


def find_candidates(tumor: np.ndarray, threshold: float, truth: np.ndarray) -> Candidates:
    """Return the 8-connected parts at a threshold of a probability, (H, W) float32, beside the truth, (H, W) bool."""
    marked = tumor >= threshold
    labels, sizes = parts(marked)
    peaks = np.zeros(len(sizes) + 1, np.float32)
    np.maximum.at(peaks, labels[marked], tumor[marked])
    return Candidates(sizes, np.bincount(labels[truth], minlength=len(sizes) + 1)[1:], peaks[1:])


def judge(scans: np.ndarray, true: np.ndarray, found: np.ndarray, both: np.ndarray) -> dict[str, float]:
    """Return Dice, sensitivity, specificity and score, from the counts of each slice and the number of its scan."""
    total, shared, present = (np.bincount(scans, values) for values in (true + found, both, true))
    row = {
        "tumor_dice_global": dice(both, true, found),
        "tumor_dice_per_scan": float((2 * shared / np.maximum(total, 1))[present > 0].mean()),
        "sensitivity": float((found[true > 0] > 0).mean()),
        "specificity": float((found[true == 0] == 0).mean()),
    }
    youden = row["sensitivity"] + row["specificity"] - 1
    row["score"] = (row["tumor_dice_global"] + row["tumor_dice_per_scan"] + youden) / 3
    return {name: round(value, 4) for name, value in row.items()}


def fit_calibration(predictions: list[Prediction], tumors: list[np.ndarray]) -> tuple[float, float]:
    """Return slope and offset that turn the brightest tumor pixels near the liver into the chance of a tumor."""
    positive = np.array([prediction.info.tumor_px > 0 for prediction in predictions])
    slope, offset = fit_platt(np.array([brightest_logit(tumor) for tumor in tumors]), positive)
    return round(slope, 5), round(offset, 5)
