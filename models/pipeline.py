"""The whole way from a scan to its result, shared by serving and evaluation."""

from dataclasses import dataclass

import numpy as np

from models.contract import Contract
from models.measure import Measurement, measure
from models.postprocess import make_mask, near_liver, to_scan_grid
from models.preprocess import preprocess
from models.scan_type import Scan
from models.segmenter import Segmenter


@dataclass(frozen=True)
class Interpretation:
    """What the network's answer means on a scan: the mask, (H, W) uint8 of 0, 128, 255, and its measurement."""

    mask: np.ndarray
    measurement: Measurement


def infer(scans: list[Scan], segmenter: Segmenter) -> np.ndarray:
    """Return the probabilities of a batch, (N, 2, S, S) float32, on the network's grid."""
    side = segmenter.contract.side
    return segmenter.predict(np.stack([preprocess(scan.pixels, side) for scan in scans]))


def interpret(scan: Scan, probabilities: np.ndarray, contract: Contract) -> Interpretation:
    """Turn one scan's probabilities, (2, S, S) float32, into its mask and measurement on its own grid."""
    on_grid = on_scan_grid(scan, probabilities)
    mask = make_mask(on_grid, contract)
    # Far from the liver the network was not asked; what it says there must not raise the slice's confidence.
    tumor_probability = np.where(near_liver(on_grid[0], contract), on_grid[1], np.float32(0))
    return Interpretation(mask, measure(mask, tumor_probability, scan.spacing_mm, calibration=contract.calibration))


def on_scan_grid(scan: Scan, probabilities: np.ndarray) -> np.ndarray:
    """Return one scan's probabilities on its own grid, (2, H, W) float32."""
    height, width = scan.pixels.shape
    return to_scan_grid(probabilities, (height, width))
