"""Preprocessing, once: training, evaluation and serving all call this function."""

import cv2
import numpy as np

# The names and parameters that the contract and every result carry.
PREPROCESSING = {
    "stretch": "per slice, lowest to highest value to 0..1",
    "resize": "square, area interpolation when shrinking, linear when growing",
    "denoise": "none",
}


def preprocess(pixels: np.ndarray, side: int) -> np.ndarray:
    """Bring a slice to the form the network was trained on.

    The training slices were stretched to their full range one by one; so is everything that is served. A slice that
    is not square is resized to a square as the training slices would have been; probabilities go back the same way.

    Args:
        pixels: (H, W) uint8 or uint16, display values, larger is denser.
        side: the network's input side in pixels.

    Returns:
        (1, side, side) float32 in 0..1; all zero for a constant slice.
    """
    shrinking = max(pixels.shape) > side
    resized = cv2.resize(
        pixels.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    )
    # Stretched by the slice's own extremes, not the resized ones, which blur would narrow.
    low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        return np.zeros((1, side, side), np.float32)
    return ((resized - low) / (high - low))[None]
