"""From a mask to the numbers of a result."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.lesion import Lesion, find_lesions
from models.postprocess import TUMOR
from models.stage import decide_stage

# A slice's verdict hangs on so many of its pixels, 16 of 224 x 224: as many as training makes agree with it.
BRIGHTEST_SHARE = 16 / 224**2
PROBABILITY_FLOOR = 1e-4


@dataclass(frozen=True)
class Measurement:
    """The numbers of a result. Areas in mm² are None where the scan gives no spacing.

    Attributes:
        affected_percent: tumor as a share of the liver including tumor, 0..100; None where no liver was found.
        confidence: calibrated probability that the slice shows tumor.
    """

    tumor_detected: bool
    confidence: float
    lesions: tuple[Lesion, ...]
    liver_area_px: int
    tumor_area_px: int
    liver_area_mm2: float | None
    tumor_area_mm2: float | None
    affected_percent: float | None
    stage: str | None
    stage_rule: str
    stage_note: str
    calibrated: bool
    scope: str
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the measurement as JSON would have it."""
        lesions = [lesion.to_dict() for lesion in self.lesions]
        return vars(self) | {
            "lesions": lesions,
            "lesion_count": len(lesions),
            "warnings": list(self.warnings),
        }


def measure(
    mask: np.ndarray,
    tumor_probability: np.ndarray,
    spacing_mm: tuple[float, float] | None,
    *,
    calibration: tuple[float, float],
) -> Measurement:
    """Measure a mask.

    Args:
        mask: (H, W) uint8 of 0, 128, 255, on the scan's own grid.
        tumor_probability: (H, W) float32 in 0..1, on the same grid.
        spacing_mm: (down the rows, along a row) or None.
        calibration: slope and offset on the logit of the brightest tumor pixels.
    """
    lesions = find_lesions(mask, tumor_probability, spacing_mm)
    tumor_px = int(np.count_nonzero(mask == TUMOR))
    liver_px = int(np.count_nonzero(mask))  # BACKGROUND is nought
    pixel_mm2 = spacing_mm[0] * spacing_mm[1] if spacing_mm else None
    height, width = mask.shape
    stage = decide_stage(lesions, (height, width), calibrated_mm=spacing_mm is not None)
    return Measurement(
        tumor_detected=bool(lesions),
        confidence=round(slice_confidence(tumor_probability, calibration), 4),
        lesions=lesions,
        liver_area_px=liver_px,
        tumor_area_px=tumor_px,
        liver_area_mm2=round(liver_px * pixel_mm2, 2) if pixel_mm2 else None,
        tumor_area_mm2=round(tumor_px * pixel_mm2, 2) if pixel_mm2 else None,
        affected_percent=round(100 * tumor_px / liver_px, 2) if liver_px else None,
        stage=stage.stage,
        stage_rule=stage.rule,
        stage_note=stage.note,
        calibrated=spacing_mm is not None,
        scope="slice",
        warnings=() if liver_px else ("no_liver",),
    )


def slice_confidence(tumor_probability: np.ndarray, calibration: tuple[float, float]) -> float:
    """Return the calibrated probability that a slice shows tumor.

    Source: Platt scaling (Platt 1999) of the slice's brightest tumor pixels, fitted on the validation slices.
    """
    slope, offset = calibration
    # As a hyperbolic tangent the logistic function cannot overflow.
    return 0.5 + 0.5 * math.tanh((slope * brightest_logit(tumor_probability) + offset) / 2)


def brightest_logit(tumor_probability: np.ndarray) -> float:
    """Return the mean logit of a slice's brightest tumor pixels: one alone would be noise."""
    count = max(1, round(BRIGHTEST_SHARE * tumor_probability.size))
    # Most of a slice is exactly nought; looking for the brightest among so many equals took longer than the network.
    above = tumor_probability[tumor_probability > PROBABILITY_FLOOR]
    brightest = np.full(count, PROBABILITY_FLOOR)
    found = np.partition(above, above.size - count)[-count:] if above.size > count else above
    brightest[: found.size] = found
    clipped = np.minimum(brightest, 1 - PROBABILITY_FLOOR)
    return float(np.log(clipped / (1 - clipped)).mean())
