"""Choose thresholds, smallest lesion and calibration. On validation slices only: the test split has no say here."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from models.contract import Contract
from models.dataset import NATIVE_SIDE
from models.evaluate import compare_prediction
from models.measure import peak_logit
from models.metrics import fit_platt
from models.pipeline import on_scan_grid
from models.postprocess import LIVER, near_liver
from models.predictions import Prediction, predict_split
from models.report import dice, segmentation_measures
from models.segmenter import Segmenter

LIVER_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
TUMOR_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SMALLEST_LESIONS_PX = (4, 8, 16, 32)


def choose_settings(root: Path, segmenter: Segmenter, *, every: int = 1) -> tuple[Contract, list[dict[str, Any]]]:
    """Return the contract with the settings that suit the validation slices best, and all that were tried.

    Args:
        root: folder with the data.
        segmenter: the network, with any settings.
        every: look at one slice in so many.
    """
    predictions = list(predict_split(root, "val", segmenter, every=every))
    contract = segmenter.contract
    contract = replace(contract, thresholds=(choose_liver_threshold(predictions), contract.thresholds[1]))
    contract, tried = choose_tumor_settings(predictions, contract)
    return replace(contract, calibration=fit_calibration(predictions, contract)), tried


def choose_liver_threshold(predictions: list[Prediction]) -> float:
    """Return the liver threshold of the highest global Dice, by pixels alone."""
    scores = []
    for threshold in LIVER_THRESHOLDS:
        counts = np.zeros(3)
        for prediction in predictions:
            found = on_scan_grid(prediction.scan, prediction.probabilities)[0] >= threshold
            truth = prediction.truth >= LIVER
            counts += (found & truth).sum(), truth.sum(), found.sum()
        scores.append(dice(*counts))
    return LIVER_THRESHOLDS[int(np.argmax(scores))]


def choose_tumor_settings(predictions: list[Prediction], contract: Contract) -> tuple[Contract, list[dict[str, Any]]]:
    """Return the tumor threshold and smallest lesion with the best mean of global and per-scan Dice and balance.

    Dice alone would take specks, of few pixels but each a false alarm; so the slice's Youden index counts as well.
    """
    tried = []
    for threshold, smallest_px in product(TUMOR_THRESHOLDS, SMALLEST_LESIONS_PX):
        candidate = replace(
            contract,
            thresholds=(contract.thresholds[0], threshold),
            min_lesion_share=smallest_px / NATIVE_SIDE**2,
        )
        rows = [compare_prediction(prediction, candidate, sweep=False) for prediction in predictions]
        everything = np.arange(len(rows))
        measures = segmentation_measures(rows)
        has = np.array([row.tumor_true > 0 for row in rows])
        called = np.array([row.tumor_found > 0 for row in rows])
        row = {"threshold": threshold, "smallest_px": smallest_px}
        row |= {name: measures[name](everything) for name in ("tumor_dice_global", "tumor_dice_per_scan")}
        row |= {"sensitivity": float(called[has].mean()), "specificity": float((~called[~has]).mean())}
        youden = row["sensitivity"] + row["specificity"] - 1
        row["score"] = (row["tumor_dice_global"] + row["tumor_dice_per_scan"] + youden) / 3
        tried.append({name: round(float(value), 4) for name, value in row.items()})
    best = max(tried, key=lambda row: row["score"])
    settings = (contract.thresholds[0], best["threshold"]), best["smallest_px"] / NATIVE_SIDE**2
    return replace(contract, thresholds=settings[0], min_lesion_share=settings[1]), tried


def fit_calibration(predictions: list[Prediction], contract: Contract) -> tuple[float, float]:
    """Return slope and offset that turn the highest tumor probability near the liver into the chance of a tumor."""
    logits = []
    for prediction in predictions:
        liver, tumor = on_scan_grid(prediction.scan, prediction.probabilities)
        logits.append(peak_logit(np.where(near_liver(liver, contract), tumor, np.float32(0))))
    positive = np.array([prediction.info.tumor_px > 0 for prediction in predictions])
    slope, offset = fit_platt(np.array(logits), positive)
    return round(slope, 5), round(offset, 5)
