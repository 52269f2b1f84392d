"""From the mask of a volume to the numbers of its result."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import cv2
import numpy as np

from models.lesion import Lesion, measure_lesion
from models.measure import Measurement
from models.postprocess import BACKGROUND, TUMOR
from models.stage import VOLUME_NOTE, decide_stage
from models.volume_mask import MarkedSlice, VolumeMask
from models.volume_type import Volume

MM3_PER_ML = 1000


@dataclass(frozen=True)
class VolumeLesion(Lesion):
    """One 26-connected part of the tumor. Box, area, centre and diameters are those of the slice where it is longest.

    Attributes:
        slice: that slice, counted from 1.
        first_slice, last_slice: between which it reaches.
        bbox_by_slice: its box in each of them.
        volume_ml: None where the distance between slices is not known.
    """

    slice: int
    first_slice: int
    last_slice: int
    bbox_by_slice: tuple[tuple[int, int, int, int], ...]
    voxels: int
    volume_ml: float | None


@dataclass(frozen=True)
class VolumeMeasurement(Measurement):
    """The numbers of a volume's result. Areas are those of the slice that is shown.

    Attributes:
        slice_count: slices, from inferior to superior, counted from 1.
        shown_slice: the slice with most tumor, else with most liver.
        liver_volume_ml: with tumor; None where the distance between slices is not known.
        liver_px_by_slice: with tumor.
    """

    slice_count: int
    shown_slice: int
    slice_distance_mm: float | None
    liver_voxels: int
    tumor_voxels: int
    liver_volume_ml: float | None
    tumor_volume_ml: float | None
    liver_px_by_slice: tuple[int, ...]
    tumor_px_by_slice: tuple[int, ...]


def measure_volume(
    volume: Volume, found: VolumeMask, each: Callable[[int, np.ndarray], None] = lambda number, mask: None
) -> VolumeMeasurement:
    """Measure a volume.

    Args:
        volume: as read; its slices are not looked at.
        found: where its liver and lesions are.
        each: called with each slice's number, from nought, and mask, (H, W) uint8; may raise to end the work.
    """
    ruler = Ruler(volume, found)
    for number in range(len(found.maps)):
        marked = found.marked(number)
        ruler.add(number, marked)
        each(number, marked.mask)
    return ruler.measurement()


class Ruler:
    """Measures slice by slice."""

    def __init__(self, volume: Volume, found: VolumeMask) -> None:
        self.volume, self.found = volume, found
        self.liver_px: list[int] = []
        self.tumor_px: list[int] = []
        # For each lesion its slice, and what it measures there.
        self.longest: dict[int, tuple[int, Lesion]] = {}

    def add(self, number: int, marked: MarkedSlice) -> None:
        """Measure a slice."""
        self.liver_px.append(int((marked.mask != BACKGROUND).sum()))
        self.tumor_px.append(int((marked.mask == TUMOR).sum()))
        of = self.found.lesions.entries(number)
        for entry in np.flatnonzero(self.found.lesion_ids[of]) + of.start:
            self._add_piece(number, int(entry), marked)

    def _add_piece(self, number: int, entry: int, marked: MarkedSlice) -> None:
        lesion = int(self.found.lesion_ids[entry])
        box = self.found.lesions.boxes[entry]
        row_mm, column_mm = self.volume.spacing_mm or (1.0, 1.0)
        # No piece is longer than its box's diagonal.
        if lesion in self.longest and np.hypot(box[2] * column_mm, box[3] * row_mm) <= length(self.longest[lesion][1]):
            return
        y, x = np.nonzero(marked.entries == entry)
        centroid = np.array([x.mean(), y.mean()])
        piece = measure_lesion(
            lesion, marked.entries, entry, box, centroid, marked.tumor_probability, self.volume.spacing_mm
        )
        if lesion not in self.longest or length(piece) > length(self.longest[lesion][1]):
            self.longest[lesion] = number, piece

    def _lesions(self) -> tuple[VolumeLesion, ...]:
        ids, numbers, boxes = self.found.lesion_ids, self.found.lesions.slice_numbers, self.found.lesions.boxes
        # The entries of each lesion, slice by slice.
        order = np.argsort(ids, kind="stable")
        ends = np.searchsorted(ids[order], np.arange(1, len(self.longest) + 2))
        voxels = np.bincount(ids, boxes[:, cv2.CC_STAT_AREA], len(self.longest) + 1)
        sums = np.bincount(ids, self.found.probability_sums, len(self.longest) + 1)
        lesions = []
        for lesion, (number, piece) in sorted(self.longest.items()):
            entries = order[ends[lesion - 1] : ends[lesion]]
            values = {field.name: getattr(piece, field.name) for field in fields(Lesion)}
            values["confidence"] = round(float(sums[lesion] / voxels[lesion]), 4)
            count = int(voxels[lesion])
            lesions.append(
                VolumeLesion(
                    **values,
                    slice=number + 1,
                    first_slice=int(numbers[entries[0]]) + 1,
                    last_slice=int(numbers[entries[-1]]) + 1,
                    bbox_by_slice=boxes_by_slice(numbers[entries], boxes[entries]),
                    voxels=count,
                    volume_ml=self._ml(count),
                )
            )
        return tuple(lesions)

    def _ml(self, voxels: int) -> float | None:
        if self.volume.spacing_mm is None or self.volume.slice_distance_mm is None:
            return None
        return round(voxels * self.volume.grid.voxel_mm3 / MM3_PER_ML, 3)

    def _shown(self) -> int:
        by = self.tumor_px if any(self.tumor_px) else self.liver_px
        return int(np.argmax(by)) if any(by) else len(by) // 2

    def measurement(self) -> VolumeMeasurement:
        """Return what was measured."""
        lesions, spacing_mm = self._lesions(), self.volume.spacing_mm
        liver, tumor, shown = sum(self.liver_px), sum(self.tumor_px), self._shown()
        pixel_mm2 = spacing_mm[0] * spacing_mm[1] if spacing_mm else None
        stage = decide_stage(lesions, self.found.shape_hw, calibrated_mm=spacing_mm is not None, note=VOLUME_NOTE)
        return VolumeMeasurement(
            tumor_detected=bool(lesions),
            confidence=round(self.found.confidence, 4),
            lesions=lesions,
            liver_area_px=self.liver_px[shown],
            tumor_area_px=self.tumor_px[shown],
            liver_area_mm2=round(self.liver_px[shown] * pixel_mm2, 2) if pixel_mm2 else None,
            tumor_area_mm2=round(self.tumor_px[shown] * pixel_mm2, 2) if pixel_mm2 else None,
            affected_percent=round(100 * tumor / liver, 2) if liver else None,
            stage=stage.stage,
            stage_rule=stage.rule,
            stage_note=stage.note,
            calibrated=spacing_mm is not None,
            scope="volume",
            warnings=() if liver else ("no_liver",),
            slice_count=len(self.liver_px),
            shown_slice=shown + 1,
            slice_distance_mm=self.volume.slice_distance_mm,
            liver_voxels=liver,
            tumor_voxels=tumor,
            liver_volume_ml=self._ml(liver),
            tumor_volume_ml=self._ml(tumor),
            liver_px_by_slice=tuple(self.liver_px),
            tumor_px_by_slice=tuple(self.tumor_px),
        )


def length(lesion: Lesion) -> float:
    """Return a lesion's longest diameter, in mm where it is known."""
    return lesion.longest_diameter_px if lesion.longest_diameter_mm is None else lesion.longest_diameter_mm


def boxes_by_slice(numbers: np.ndarray, boxes: np.ndarray) -> tuple[tuple[int, int, int, int], ...]:
    """Return the box around all pieces of each slice.

    Args:
        numbers: of each piece its slice, (N,) rising; none is missing between the first and the last.
        boxes: of each piece x, y, width, height, area, (N, 5).
    """
    starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
    low = np.minimum.reduceat(boxes[:, :2], starts)
    high = np.maximum.reduceat(boxes[:, :2] + boxes[:, 2:4], starts)
    return tuple((int(x), int(y), int(w), int(h)) for (x, y), (w, h) in zip(low, high - low, strict=True))
