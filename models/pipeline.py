"""The whole way from a scan to its result, shared by serving and evaluation."""

from dataclasses import dataclass

import numpy as np

from models.contract import Contract
from models.measure import Measurement, measure
from models.postprocess import make_mask, to_scan_grid
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
    height, width = scan.pixels.shape
    on_grid = to_scan_grid(probabilities, (height, width))
    mask = make_mask(on_grid, contract)
    return Interpretation(mask, measure(mask, on_grid[1], scan.spacing_mm, calibration=contract.calibration))
