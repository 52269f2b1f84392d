"""From probabilities on the network's grid to a mask on the scan's own."""

import cv2
import numpy as np

from models.contract import Contract

BACKGROUND, LIVER, TUMOR = 0, 128, 255


def to_scan_grid(probabilities: np.ndarray, shape_hw: tuple[int, int]) -> list[np.ndarray]:
    """Bring probabilities back to the scan's grid.

    Args:
        probabilities: (2, S, S) float32.
        shape_hw: the scan's height and width in px.

    Returns:
        (H, W) float32 for each channel. Probabilities are resized, not masks: edges stay smooth at any size.
    """
    height, width = shape_hw
    return [cv2.resize(channel, (width, height), interpolation=cv2.INTER_LINEAR) for channel in probabilities]


def find_liver(probability: np.ndarray, contract: Contract) -> np.ndarray:
    """Return where the liver is, (H, W) bool, from its probability on the scan's grid, (H, W) float32.

    That is its largest part and every part at least a tenth as large, for some slices show two lobes apart.
    """
    return large_parts(probability >= contract.thresholds.liver)


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
    rows, columns = bounding_box(liver.astype(np.uint8))
    box = (
        slice(max(0, rows.start - margin_px), rows.stop + margin_px),
        slice(max(0, columns.start - margin_px), columns.stop + margin_px),
    )
    # By distance, in one pass: a round dilation costs its area for each pixel, hours for a slice of 8192.
    near = cv2.distanceTransform((~liver[box]).astype(np.uint8), cv2.DIST_L2, 5) <= margin_px
    limited = np.zeros_like(tumor_probability)
    limited[box] = np.where(near, tumor_probability[box], np.float32(0))
    return limited


def locate(probabilities: np.ndarray, shape_hw: tuple[int, int], contract: Contract) -> tuple[np.ndarray, np.ndarray]:
    """Return where the liver is, and the probability of tumor in it, both on the scan's grid.

    Args:
        probabilities: (2, S, S) float32; or (1, S, S) of a network that knows tumor alone, whose liver is nowhere and
            whose tumor may be anywhere.
        shape_hw: the scan's height and width in px.
        contract: the network's.

    Returns:
        (H, W) bool and (H, W) float32.
    """
    *liver_probability, tumor_probability = to_scan_grid(probabilities, shape_hw)
    if not liver_probability:
        return np.zeros(shape_hw, bool), tumor_probability
    liver = find_liver(liver_probability[0], contract)
    return liver, limit_to_liver(tumor_probability, liver, contract)


def compose_mask(liver: np.ndarray, tumor_probability: np.ndarray, contract: Contract) -> np.ndarray:
    """Decide what is tumor, and put it over the liver.

    Args:
        liver: (H, W) bool, from `find_liver`.
        tumor_probability: (H, W) float32, from `limit_to_liver`.
        contract: thresholds and smallest size.

    Returns:
        (H, W) uint8 of 0 background, 128 liver, 255 tumor.
    """
    mask = liver.view(np.uint8) * np.uint8(LIVER)  # BACKGROUND is nought
    mask[mark_lesions(tumor_probability, contract)] = TUMOR
    return mask


def mark_lesions(probability: np.ndarray, contract: Contract) -> np.ndarray:
    """Return where lesions are, (H, W) bool: 8-connected, large enough, and somewhere bright enough.

    Source of the two thresholds: Canny's hysteresis, PAMI 1986.

    Args:
        probability: (H, W) float32, from `limit_to_liver`.
        contract: thresholds and smallest size.
    """
    low = contract.thresholds.tumor
    marked = np.zeros(probability.shape, bool)
    bright = probability >= max(low, contract.thresholds.tumor_peak)
    if not bright.any():
        return marked
    candidates = (probability >= low).astype(np.uint8)
    box = bounding_box(candidates)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(candidates[box], connectivity=8)
    kept = np.zeros(len(stats), bool)
    kept[labels[bright[box]]] = True
    kept &= stats[:, cv2.CC_STAT_AREA] >= round(contract.min_lesion_share * probability.size)
    marked[box] = kept[labels]
    return marked


def large_parts(region: np.ndarray) -> np.ndarray:
    """Keep the largest 8-connected part of a region and those at least a tenth as large."""
    if not region.any():
        return region
    box = bounding_box(region.astype(np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region[box].astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = np.zeros_like(region)
    kept[box] = (areas >= areas.max() / 10)[labels] & region[box]
    return kept


def bounding_box(region: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of the smallest box around a region, (H, W) uint8: most of a slice is empty."""
    x, y, width, height = cv2.boundingRect(region)
    return slice(y, y + height), slice(x, x + width)
