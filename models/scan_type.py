"""What a scan is, once read; and the sizes that are taken."""

from dataclasses import dataclass

import numpy as np

from models.errors import InvalidScan

MIN_SIDE_PX = 64
MAX_SIDE_PX = 8192


@dataclass(frozen=True)
class Scan:
    """One axial CT slice.

    Attributes:
        pixels: (H, W) uint8 display values, denser is brighter. For DICOM: HU from -200 to 250, linearly.
        spacing_mm: distance between pixel centres (down the rows, along a row), or None where the file gives none.
        format: "dicom", "png", "jpeg", "bmp", "tiff" or "webp".
        calibrated: whether the values come from true Hounsfield units.
        warnings: codes of what a reader of the result should know.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float] | None
    format: str
    calibrated: bool
    warnings: tuple[str, ...] = ()


def check_size(height_px: int, width_px: int) -> None:
    """Refuse sizes that make no sense or would take too much memory; to be called before decoding.

    Raises:
        InvalidScan: a side is too short or too long.
    """
    if min(height_px, width_px) < MIN_SIDE_PX:
        raise InvalidScan(
            "image_too_small",
            f"The picture has {width_px} x {height_px} pixels; each side needs at least {MIN_SIDE_PX}.",
        )
    if max(height_px, width_px) > MAX_SIDE_PX:
        raise InvalidScan(
            "image_too_large",
            f"The picture has {width_px} x {height_px} pixels; a side may have at most {MAX_SIDE_PX}.",
        )
