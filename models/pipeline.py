"""The whole way from a scan to its result, shared by serving and evaluation."""

from dataclasses import dataclass

import numpy as np

from models.contract import Contract
from models.measure import Measurement, measure
from models.postprocess import compose_mask, locate
from models.preprocess import preprocess
from models.scan_type import Scan
from models.segmenter import Segmenter


@dataclass(frozen=True)
class Interpretation:
    """What the network's answer means on a scan.

    Attributes:
        mask: (H, W) uint8 of 0 background, 128 liver, 255 tumor, on the scan's own grid.
        measurement: what is measured on it.
        tumor_probability: (H, W) float32, nought where no tumor of the liver can be.
    """

    mask: np.ndarray
    measurement: Measurement
    tumor_probability: np.ndarray


def infer(scans: list[Scan], segmenter: Segmenter) -> np.ndarray:
    """Return the probabilities of a batch, (N, 2, S, S) float32, on the network's grid."""
    side = segmenter.contract.side
    return segmenter.predict(np.stack([preprocess(scan.pixels, side) for scan in scans]))


def interpret(scan: Scan, probabilities: np.ndarray, contract: Contract) -> Interpretation:
    """Turn one scan's probabilities, (2, S, S) float32, into its mask and measurement on its own grid."""
    height, width = scan.pixels.shape
    liver, tumor_probability = locate(probabilities, (height, width), contract)
    mask = compose_mask(liver, tumor_probability, contract)
    measurement = measure(mask, tumor_probability, scan.spacing_mm, calibration=contract.calibration)
    return Interpretation(mask, measurement, tumor_probability)
