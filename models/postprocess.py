"""From probabilities on the network's grid to a mask on the scan's own."""

import cv2
import numpy as np

from models.contract import Contract

BACKGROUND, LIVER, TUMOR = 0, 128, 255


def to_scan_grid(probabilities: np.ndarray, shape_hw: tuple[int, int]) -> np.ndarray:
    """Bring probabilities back to the scan's grid.

    Args:
        probabilities: (2, S, S) float32.
        shape_hw: the scan's height and width in px.

    Returns:
        (2, H, W) float32. Probabilities are resized, not masks: edges stay smooth at any size.
    """
    height, width = shape_hw
    return np.stack([cv2.resize(channel, (width, height), interpolation=cv2.INTER_LINEAR) for channel in probabilities])


def make_mask(probabilities: np.ndarray, contract: Contract) -> np.ndarray:
    """Decide what is liver and what is tumor.

    A tumor lies in the liver or at its edge; what the network finds elsewhere, or in specks, is dropped. The liver is
    its largest part and every part at least a tenth as large, for some slices show two lobes apart.

    Args:
        probabilities: (2, H, W) float32, liver and tumor, on the scan's grid.
        contract: thresholds, margin and smallest size.

    Returns:
        (H, W) uint8 of 0 background, 128 liver, 255 tumor.
    """
    height, width = probabilities.shape[1:]
    liver = find_liver(probabilities[0], contract)
    tumor = (probabilities[1] >= contract.thresholds[1]) & near_liver(probabilities[0], contract)
    tumor = drop_specks(tumor, round(contract.min_lesion_share * height * width))
    mask = np.where(liver, LIVER, BACKGROUND)
    mask[tumor] = TUMOR
    return mask.astype(np.uint8)


def find_liver(probability: np.ndarray, contract: Contract) -> np.ndarray:
    """Return where the liver is, (H, W) bool, from its probability, (H, W) float32."""
    return large_parts(probability >= contract.thresholds[0])


def near_liver(probability: np.ndarray, contract: Contract) -> np.ndarray:
    """Return the liver and the margin around it in which tumor is believed, (H, W) bool; nothing without liver."""
    liver = find_liver(probability, contract)
    if not liver.any():
        return liver
    margin_px = max(1, round(contract.liver_margin_share * min(liver.shape)))
    # By distance, in one pass: a round kernel costs its area for each pixel, hours for a slice of 8192.
    return cv2.distanceTransform((~liver).astype(np.uint8), cv2.DIST_L2, 5) <= margin_px


def large_parts(region: np.ndarray) -> np.ndarray:
    """Keep the largest 8-connected part of a region and those at least a tenth as large."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    if count == 1:
        return region
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return (areas >= areas.max() / 10)[labels] & region


def drop_specks(region: np.ndarray, smallest_px: int) -> np.ndarray:
    """Drop 8-connected parts of a region with fewer than `smallest_px` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    return (stats[:, cv2.CC_STAT_AREA] >= smallest_px)[labels] & region
