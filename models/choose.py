"""Choose thresholds, smallest lesion and calibration. On validation slices only: the test split has no say here."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.comparison import parts
from models.contract import Contract
from models.dataset import NATIVE_SIDE
from models.measure import peak_logit
from models.metrics import fit_platt
from models.postprocess import LIVER, TUMOR, find_liver, limit_to_liver, to_scan_grid
from models.predictions import Prediction
from models.report import dice

LIVER_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
TUMOR_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SMALLEST_LESIONS_PX = (4, 8, 16, 24, 32, 48)


@dataclass(frozen=True)
class Candidates:
    """What is marked as tumor in one slice at one threshold: size and overlap with the truth of each part, px."""

    sizes: np.ndarray
    overlaps: np.ndarray


def choose_settings(predictions: list[Prediction], contract: Contract) -> tuple[Contract, list[dict[str, Any]]]:
    """Return the contract with the settings that suit the validation slices best, and all that were tried.

    Args:
        predictions: of validation slices.
        contract: the network's, with any settings.
    """
    contract = replace(contract, thresholds=(choose_liver_threshold(predictions), contract.thresholds[1]))
    tumors = [tumor_near_liver(prediction, contract) for prediction in predictions]
    tried = try_tumor_settings(predictions, tumors)
    best = max(tried, key=lambda row: row["score"])
    chosen = replace(
        contract,
        thresholds=(contract.thresholds[0], best["threshold"]),
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


def tumor_near_liver(prediction: Prediction, contract: Contract) -> np.ndarray:
    """Return the tumor probability on the scan's grid, (H, W) float32, nought far from the liver, as serving has it."""
    liver, tumor = to_scan_grid(prediction.probabilities, shape_of(prediction))
    return limit_to_liver(tumor, find_liver(liver, contract), contract)


def try_tumor_settings(predictions: list[Prediction], tumors: list[np.ndarray]) -> list[dict[str, Any]]:
    """Return how each tumor threshold and smallest lesion fares.

    The score is the mean of global Dice, Dice per scan and the slice's Youden index: Dice alone would take specks, of
    few pixels but each a false alarm.
    """
    truths = [prediction.truth == TUMOR for prediction in predictions]
    scans = np.unique([prediction.info.scan for prediction in predictions], return_inverse=True)[1]
    true = np.array([truth.sum() for truth in truths])
    tried = []
    for threshold in TUMOR_THRESHOLDS:
        candidates = [find_candidates(tumor >= threshold, truth) for tumor, truth in zip(tumors, truths, strict=True)]
        for smallest_px in SMALLEST_LESIONS_PX:
            found = np.array([c.sizes[c.sizes >= smallest_px].sum() for c in candidates])
            both = np.array([c.overlaps[c.sizes >= smallest_px].sum() for c in candidates])
            tried.append({"threshold": threshold, "smallest_px": smallest_px} | judge(scans, true, found, both))
    return tried


def find_candidates(marked: np.ndarray, truth: np.ndarray) -> Candidates:
    """Return the 8-connected parts of what is marked, both (H, W) bool."""
    labels, sizes = parts(marked)
    return Candidates(sizes, np.bincount(labels[truth], minlength=len(sizes) + 1)[1:])


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
    """Return slope and offset that turn the highest tumor probability near the liver into the chance of a tumor."""
    positive = np.array([prediction.info.tumor_px > 0 for prediction in predictions])
    slope, offset = fit_platt(np.array([peak_logit(tumor) for tumor in tumors]), positive)
    return round(slope, 5), round(offset, 5)
