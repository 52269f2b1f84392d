"""Stages I, II, III, always with the rule that made them. Never TNM, BCLC, LI-RADS or Okuda: see the docs.

Each rule is a function from lesions to a stage; its name is stored with every result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from models.lesion import Lesion

# The ancestor measured on a frame of this side.
LEGACY_FRAME_PX = 128
LEGACY_IGNORED_PX = 6
SLICE_NOTE = "From one slice: a lower bound, for the largest extent may lie in another."
VOLUME_NOTE = "From the whole volume: of each lesion the axial slice in which it is longest."


@dataclass(frozen=True)
class Stage:
    """A stage (None without tumor), the rule that made it, and what to know about it."""

    stage: str | None
    rule: str
    note: str


def decide_stage(
    lesions: Sequence[Lesion], shape_hw: tuple[int, int], *, calibrated_mm: bool, note: str = SLICE_NOTE
) -> Stage:
    """Apply the rule that the scan allows: by millimetres where it gives spacing, else by its frame.

    Args:
        lesions: of a slice; or of a volume, each as it is in the slice where it is longest.
        shape_hw: a slice's height and width in px.
        calibrated_mm: whether the lesions have lengths in mm.
        note: what to know about the place they were seen in.
    """
    if calibrated_mm:
        sizes_mm = [lesion.longest_diameter_mm or 0.0 for lesion in lesions]
        return Stage(size_stage(sizes_mm), "size-mm-1", f"By number and longest diameter in mm. {note}")
    height, width = shape_hw
    boxes = [
        (lesion.bbox[2] * LEGACY_FRAME_PX / width, lesion.bbox[3] * LEGACY_FRAME_PX / height) for lesion in lesions
    ]
    relative = "Relative to the picture, for the file gives no pixel spacing: it changes with zoom and crop."
    return Stage(legacy_stage(boxes), "bbox-128", f"{relative} {note}")


def size_stage(sizes_mm: list[float]) -> str | None:
    """Rule `size-mm-1`: the size and number cuts of the Milan criteria, with 20 mm below them.

    Args:
        sizes_mm: longest diameter of each lesion.

    Source: Mazzaferro et al., NEJM 334:693 (1996) for 50 mm and three of 30 mm; BCLC stage 0 and AJCC 8 T1a for 20 mm.
    """
    if not sizes_mm:
        return None
    largest_mm, count = max(sizes_mm), len(sizes_mm)
    if count == 1 and largest_mm <= 20:
        return "I"
    if (count == 1 and largest_mm <= 50) or (count in (2, 3) and largest_mm <= 30):
        return "II"
    return "III"


def legacy_stage(boxes_px: list[tuple[float, float]]) -> str | None:
    """Rule `bbox-128`, the ancestor's: mean side of the largest lesion's box on a frame of 128 px.

    Args:
        boxes_px: (width, height) of each lesion's box, on that frame.
    """
    sides = [
        (width + height) / 2 for width, height in boxes_px if width > LEGACY_IGNORED_PX or height > LEGACY_IGNORED_PX
    ]
    if not sides:
        return "I" if boxes_px else None
    largest = max(sides)
    if largest >= 50:
        return "III"
    return "II" if largest > 30 else "I"
