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


def find_liver(probability: np.ndarray, contract: Contract) -> np.ndarray:
    """Return where the liver is, (H, W) bool, from its probability on the scan's grid, (H, W) float32.

    That is its largest part and every part at least a tenth as large, for some slices show two lobes apart.
    """
    return large_parts(probability >= contract.thresholds[0])


def limit_to_liver(tumor_probability: np.ndarray, liver: np.ndarray, contract: Contract) -> np.ndarray:
    """Return the tumor probability, (H, W) float32, set to nought where no tumor of the liver can be.

    A tumor lies in the liver or at its edge; what the network says elsewhere is not believed.

    Args:
        tumor_probability: (H, W) float32.
        liver: (H, W) bool.
        contract: its margin counts.
    """
    if not liver.any():
        return np.zeros_like(tumor_probability)
    margin_px = max(1, round(contract.liver_margin_share * min(liver.shape)))
    # By distance, in one pass: a round dilation costs its area for each pixel, hours for a slice of 8192.
    near = cv2.distanceTransform((~liver).astype(np.uint8), cv2.DIST_L2, 5) <= margin_px
    return np.where(near, tumor_probability, np.float32(0))


def compose_mask(liver: np.ndarray, tumor_probability: np.ndarray, contract: Contract) -> np.ndarray:
    """Decide what is tumor, and put it over the liver.

    Args:
        liver: (H, W) bool, from `find_liver`.
        tumor_probability: (H, W) float32, from `limit_to_liver`.
        contract: threshold and smallest size.

    Returns:
        (H, W) uint8 of 0 background, 128 liver, 255 tumor.
    """
    smallest_px = round(contract.min_lesion_share * liver.size)
    mask = np.where(liver, np.uint8(LIVER), np.uint8(BACKGROUND))
    mask[drop_specks(tumor_probability >= contract.thresholds[1], smallest_px)] = TUMOR
    return mask


def large_parts(region: np.ndarray) -> np.ndarray:
    """Keep the largest 8-connected part of a region and those at least a tenth as large."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    if count == 1:
        return region
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept: np.ndarray = (areas >= areas.max() / 10)[labels] & region
    return kept


def drop_specks(region: np.ndarray, smallest_px: int) -> np.ndarray:
    """Drop 8-connected parts of a region with fewer than `smallest_px` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    kept: np.ndarray = (stats[:, cv2.CC_STAT_AREA] >= smallest_px)[labels] & region
    return kept
