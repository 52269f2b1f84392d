"""How one slice's result compares with the expert's mask: counts that any measure can be made of."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.contract import Contract
from models.measure import Measurement
from models.postprocess import LIVER, TUMOR, mark_lesions

# A lesion counts as found when at least this share of its pixels is marked.
FOUND_SHARE = 0.25
# The thresholds of the FROC curve.
SWEEP = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
# Lesion sizes told apart, px at 224 x 224.
SIZE_BINS = {"below_20": (0, 20), "20_to_100": (20, 100), "100_to_500": (100, 500), "above_500": (500, 10**9)}


@dataclass(frozen=True)
class LesionCount:
    """Lesions of one slice at one threshold: sizes of the expert's, whether each was found, and false positives."""

    sizes_px: tuple[int, ...]
    found: tuple[bool, ...]
    false_positives: int


@dataclass(frozen=True)
class Comparison:
    """One slice compared. Counts in pixels; liver includes tumor."""

    scan: str
    person: str
    name: str
    liver_true: int
    liver_found: int
    liver_both: int
    tumor_true: int
    tumor_found: int
    tumor_both: int
    pixels: int
    pixels_right: int
    confidence: float
    lesions: LesionCount
    sweep: tuple[LesionCount, ...]


def compare(
    identity: tuple[str, str, str],
    truth: np.ndarray,
    mask: np.ndarray,
    *,
    measurement: Measurement,
    sweep: tuple[LesionCount, ...] = (),
) -> Comparison:
    """Compare a result with the truth, both (H, W) uint8 of 0, 128, 255; `identity` is scan, person, slice."""
    scan, person, name = identity
    liver, tumor = truth >= LIVER, truth == TUMOR
    liver_found, tumor_found = mask >= LIVER, mask == TUMOR
    return Comparison(
        scan=scan,
        person=person,
        name=name,
        liver_true=int(liver.sum()),
        liver_found=int(liver_found.sum()),
        liver_both=int((liver & liver_found).sum()),
        tumor_true=int(tumor.sum()),
        tumor_found=int(tumor_found.sum()),
        tumor_both=int((tumor & tumor_found).sum()),
        pixels=truth.size,
        pixels_right=int((truth == mask).sum()),
        confidence=measurement.confidence,
        lesions=count_lesions(tumor, tumor_found),
        sweep=sweep,
    )


def sweep_thresholds(tumor_probability: np.ndarray, truth: np.ndarray, contract: Contract) -> tuple[LesionCount, ...]:
    """Count lesions at each peak a lesion may have to reach, for the FROC curve.

    Args:
        tumor_probability: (H, W) float32, near the liver.
        truth: (H, W) uint8 of 0, 128, 255.
        contract: its smallest lesion holds, and its outline where the peak is higher.
    """
    thresholds = contract.thresholds
    lowered = (thresholds._replace(tumor=min(thresholds.tumor, peak), tumor_peak=peak) for peak in SWEEP)
    marks = (mark_lesions(tumor_probability, replace(contract, thresholds=each)) for each in lowered)
    return tuple(count_lesions(truth == TUMOR, marked) for marked in marks)


def count_lesions(truth: np.ndarray, found: np.ndarray) -> LesionCount:
    """Match 8-connected parts: one of the truth is found by its share marked, one found is false if it meets none."""
    labels_true, sizes = parts(truth)
    labels_found, _ = parts(found)
    marked = np.bincount(labels_true[found], minlength=len(sizes) + 1)[1:]
    touched = np.bincount(labels_found[truth], minlength=labels_found.max() + 1)[1:]
    return LesionCount(
        sizes_px=tuple(int(size) for size in sizes),
        found=tuple(bool(m >= FOUND_SHARE * size) for m, size in zip(marked, sizes, strict=True)),
        false_positives=int((touched == 0).sum()),
    )


def parts(region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of a region's 8-connected parts, (H, W) int32, and their sizes in px."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    return labels, stats[1:, cv2.CC_STAT_AREA]
