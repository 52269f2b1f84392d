"""What a volume is, once read; and the sizes that are taken."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.errors import InvalidScan
from models.grid import Grid
from models.scan_type import MIN_SIDE_PX

VOLUME_FORMATS = ("nifti", "dicom_series")
MAX_VOLUME_SIDE_PX = 1024
MAX_SLICES = 2000
MAX_VOXELS = 300_000_000


@dataclass(frozen=True)
class Volume:
    """A CT, turned the way the network knows.

    Attributes:
        slices: (H, W) uint8 display values each, from inferior to superior; to be gone through once, for they may
            come from another process.
        grid: the file's own.
        spacing_mm: distance between pixel centres (down the rows, along a row), or None where the file gives none.
        slice_distance_mm: distance between slices, or None where it is not known or not the same everywhere.
        format: "nifti" or "dicom_series".
        warnings: codes of what a reader of the result should know.
    """

    slices: Iterable[np.ndarray]
    grid: Grid
    spacing_mm: tuple[float, float] | None
    slice_distance_mm: float | None
    format: str
    warnings: tuple[str, ...] = ()


def check_volume_size(slice_count: int, height_px: int, width_px: int) -> None:
    """Refuse sizes that make no sense or would take too much memory; to be called before decoding.

    Raises:
        InvalidScan: too few pixels, or too many voxels.
    """
    size = f"The volume has {slice_count} slices of {width_px} x {height_px} pixels;"
    if min(height_px, width_px) < MIN_SIDE_PX or slice_count < 1:
        raise InvalidScan("image_too_small", f"{size} each side needs at least {MIN_SIDE_PX}.")
    if max(height_px, width_px) > MAX_VOLUME_SIDE_PX or slice_count > MAX_SLICES:
        raise InvalidScan(
            "image_too_large", f"{size} at most {MAX_SLICES} slices of {MAX_VOLUME_SIDE_PX} a side are taken."
        )
    if slice_count * height_px * width_px > MAX_VOXELS:
        raise InvalidScan("image_too_large", f"{size} at most {MAX_VOXELS:,} voxels are taken.")
