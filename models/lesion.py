"""Lesions: the connected parts of the tumor, and how large they are."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from models.postprocess import TUMOR, bounding_box


@dataclass(frozen=True)
class Lesion:
    """One 8-connected part of the tumor. Lengths in mm are None where the scan gives no spacing.

    Attributes:
        id: 1 for the largest.
        bbox: (x, y, width, height) in px.
        centroid: (x, y) in px.
        longest_diameter_px: largest distance between two outer pixel corners.
        short_axis_px: largest extent perpendicular to it.
        confidence: mean tumor probability inside.
    """

    id: int
    bbox: tuple[int, int, int, int]
    area_px: int
    area_mm2: float | None
    centroid: tuple[float, float]
    longest_diameter_px: float
    short_axis_px: float
    longest_diameter_mm: float | None
    short_axis_mm: float | None
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return the lesion as JSON would have it."""
        return vars(self) | {"bbox": list(self.bbox), "centroid": list(self.centroid)}


def find_lesions(
    mask: np.ndarray, tumor_probability: np.ndarray, spacing_mm: tuple[float, float] | None
) -> tuple[Lesion, ...]:
    """Find and measure every lesion, the largest first.

    Args:
        mask: (H, W) uint8 of 0, 128, 255.
        tumor_probability: (H, W) float32.
        spacing_mm: (down the rows, along a row) or None.
    """
    tumor = (mask == TUMOR).astype(np.uint8)
    if not tumor.any():
        return ()
    box = bounding_box(tumor)
    count, inside, stats, centroids = cv2.connectedComponentsWithStats(tumor[box], connectivity=8)
    labels = np.zeros(tumor.shape, inside.dtype)
    labels[box] = inside
    corner = (box[1].start, box[0].start)
    stats[:, : cv2.CC_STAT_WIDTH] += np.array(corner, stats.dtype)
    centroids += corner
    order = sorted(range(1, count), key=lambda label: (-stats[label, cv2.CC_STAT_AREA], label))
    return tuple(
        measure_lesion(number, labels, label, stats[label], centroids[label], tumor_probability, spacing_mm)
        for number, label in enumerate(order, 1)
    )


def measure_lesion(
    number: int,
    labels: np.ndarray,
    label: int,
    stats: np.ndarray,
    centroid: np.ndarray,
    tumor_probability: np.ndarray,
    spacing_mm: tuple[float, float] | None,
) -> Lesion:
    """Measure the part of `labels` with the value `label`."""
    x, y, width, height, area_px = (int(value) for value in stats)
    window = (slice(y, y + height), slice(x, x + width))
    region = labels[window] == label
    corners = corner_points(region)
    longest_px, short_px = diameters(corners)
    longest_mm = short_mm = area_mm2 = None
    if spacing_mm is not None:
        longest_mm, short_mm = (round(v, 2) for v in diameters(corners * np.array(spacing_mm[::-1])))
        area_mm2 = round(area_px * spacing_mm[0] * spacing_mm[1], 2)
    return Lesion(
        id=number,
        bbox=(x, y, width, height),
        area_px=area_px,
        area_mm2=area_mm2,
        centroid=(round(float(centroid[0]), 2), round(float(centroid[1]), 2)),
        longest_diameter_px=round(longest_px, 2),
        short_axis_px=round(short_px, 2),
        longest_diameter_mm=longest_mm,
        short_axis_mm=short_mm,
        confidence=round(float(tumor_probability[window][region].mean()), 4),
    )


def corner_points(region: np.ndarray) -> np.ndarray:
    """Return the outer corners of a region's edge pixels, (N, 2) float64 of (x, y).

    Clinical practice measures from outer edge to outer edge; between pixel centres a lesion is a pixel too short.
    """
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pixels = np.concatenate([contour[:, 0] for contour in contours]).astype(np.float64)
    return np.concatenate([pixels + offset for offset in ((0, 0), (0, 1), (1, 0), (1, 1))])


def diameters(points: np.ndarray) -> tuple[float, float]:
    """Return the largest distance between two points and the extent perpendicular to it.

    Only corners of the convex hull can be ends of either. In mm the points must be scaled before: the longest diameter
    in px need not be the longest in mm.
    """
    hull = cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
    between = hull[:, None] - hull[None]
    squared = (between**2).sum(-1)
    first, second = np.unravel_index(int(squared.argmax()), squared.shape)
    longest = math.sqrt(squared[first, second])
    along = between[first, second] / longest
    across = hull @ np.array([-along[1], along[0]])
    return longest, float(across.max() - across.min())
