"""From Hounsfield units to the display values that people look at and the network was trained on."""

import numpy as np

WINDOW_HU = (-200.0, 250.0)


def to_display(hu: np.ndarray) -> np.ndarray:
    """Return uint8 display values of the same shape; what lies beyond the window is black or white."""
    low, high = WINDOW_HU
    shown: np.ndarray = np.rint(np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return shown
