"""From what the network says of each slice to liver and tumor of a whole volume.

The liver is its largest connected part, and tumor counts only in it or at its edge, slice by slice as `postprocess`
has it. The network saw nothing but slices with liver in training; what it says of chest or pelvis is worth no more
than the connection to the liver that this asks for.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from models.contract import Contract
from models.measure import slice_confidence
from models.pieces import Pieces
from models.postprocess import BACKGROUND, LIVER, TUMOR, limit_to_liver

# The first channel of the network's answer is the liver, the second tumor.
ORGAN, LESION = 0, 1
Maps = list[np.ndarray | None]


@dataclass(frozen=True)
class MarkedSlice:
    """One slice of a volume, decided.

    Attributes:
        mask: (H, W) uint8 of 0 background, 128 liver, 255 tumor.
        entries: (H, W) int64, for each pixel its entry in `VolumeMask.lesions`.
        tumor_probability: (H, W) float32, nought where no tumor of the liver can be.
    """

    mask: np.ndarray
    entries: np.ndarray
    tumor_probability: np.ndarray


class VolumeMask:
    """Liver and lesions of a volume.

    Kept are the network's maps on its own small grid, and a few numbers for each piece. A slice on the scan's grid is
    made anew each time, so that memory does not grow with the voxels.

    Attributes:
        lesions: pieces that may be tumor.
        lesion_ids: for each entry of `lesions` the lesion it belongs to, 1 for the largest, 0 for none: (N,) int64.
        probability_sums: for each entry the sum of the tumor probability, (N,) float64.
        confidence: of the slice that is most surely one with tumor.
    """

    def __init__(
        self, maps: Maps, shape_hw: tuple[int, int], contract: Contract, look: Callable[[], None] = lambda: None
    ) -> None:
        """Find liver and lesions.

        Args:
            maps: of each slice (2, S, S) float16; None where the network sees no liver at all.
            shape_hw: a slice's height and width on the scan's grid, in px.
            contract: the network's.
            look: called at each slice; may raise to end the work.
        """
        self.maps, self.shape_hw, self.contract = maps, shape_hw, contract
        self._livers, self.lesions = Pieces(), Pieces()
        for number in range(len(maps)):
            look()
            self._livers.add(self._liver_candidates(number))
        self._is_liver = self._livers.largest()
        self._link_lesions(look)

    def _link_lesions(self, look: Callable[[], None]) -> None:
        thresholds = self.contract.thresholds
        sums, bright, confidences = [], [], [slice_confidence(np.zeros(1), self.contract.calibration)]
        for number, found in enumerate(self.maps):
            look()
            probability = self._tumor_probability(number, self._liver(number))
            labels = self.lesions.add(probability >= thresholds.tumor)
            count = self.lesions.first[-1] - self.lesions.first[-2]
            sums.append(np.bincount(labels.ravel(), probability.ravel(), count))
            peaks = np.zeros(count, bool)
            peaks[labels[probability >= max(thresholds.tumor, thresholds.tumor_peak)]] = True
            bright.append(peaks)
            if found is not None:
                confidences.append(slice_confidence(probability, self.contract.calibration))
        self.probability_sums = np.concatenate(sums)
        self.lesion_ids = self._number_lesions(np.concatenate(bright))
        self.confidence = max(confidences)

    def _number_lesions(self, bright: np.ndarray) -> np.ndarray:
        """Number the parts that are large and somewhere bright enough, the largest first."""
        parts, areas = self.lesions.parts(), self.lesions.boxes[:, cv2.CC_STAT_AREA]
        voxels = np.bincount(parts, areas, len(parts))
        smallest = round(self.contract.min_lesion_share * self.shape_hw[0] * self.shape_hw[1])
        kept = (voxels >= max(1, smallest)) & (np.bincount(parts, bright & (areas > 0), len(parts)) > 0)
        roots = np.flatnonzero(kept)
        ids = np.zeros(len(parts), np.int64)
        ids[roots[np.argsort(-voxels[roots], kind="stable")]] = np.arange(1, len(roots) + 1)
        numbered: np.ndarray = ids[parts]
        return numbered

    def marked(self, number: int) -> MarkedSlice:
        """Return a slice, counted from nought, with what was found in it."""
        liver = self._liver(number)
        probability = self._tumor_probability(number, liver)
        _, labels = cv2.connectedComponents((probability >= self.contract.thresholds.tumor).astype(np.uint8))
        entries = labels.astype(np.int64) + self.lesions.first[number]
        mask = np.where(liver, np.uint8(LIVER), np.uint8(BACKGROUND))
        mask[self.lesion_ids[entries] > 0] = TUMOR
        return MarkedSlice(mask, entries, probability)

    def _on_grid(self, number: int, channel: int) -> np.ndarray:
        height, width = self.shape_hw
        found = self.maps[number]
        if found is None:
            return np.zeros(self.shape_hw, np.float32)
        probability = found[channel].astype(np.float32)
        return np.asarray(cv2.resize(probability, (width, height), interpolation=cv2.INTER_LINEAR))

    def _liver_candidates(self, number: int) -> np.ndarray:
        candidates: np.ndarray = self._on_grid(number, ORGAN) >= self.contract.thresholds.liver
        return candidates

    def _liver(self, number: int) -> np.ndarray:
        """Return where the liver is in a slice, (H, W) bool."""
        _, labels = cv2.connectedComponents(self._liver_candidates(number).astype(np.uint8))
        liver: np.ndarray = self._is_liver[self._livers.entries(number)][labels]
        return liver

    def _tumor_probability(self, number: int, liver: np.ndarray) -> np.ndarray:
        return limit_to_liver(self._on_grid(number, LESION), liver, self.contract)
