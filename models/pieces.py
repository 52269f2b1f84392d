"""What belongs together in a volume whose slices come one by one.

A *piece* is an 8-connected region of one slice; pieces that touch from slice to slice make a *part*, 26-connected.
Labelling the whole volume at once would take four bytes for each voxel; this takes a few for each piece.
"""

import cv2
import numpy as np


class Pieces:
    """The pieces of a region, slice by slice.

    Each slice has an entry for its background, which belongs to nothing, and one for each of its pieces, in that
    order; `first[number]` is the first entry of slice `number`, counted from nought.
    """

    def __init__(self) -> None:
        self.first = [0]
        self._boxes: list[np.ndarray] = []
        self._touching: list[np.ndarray] = [np.empty((0, 2), np.int64)]
        self._below: np.ndarray = np.empty((0, 0), np.int32)

    def add(self, region: np.ndarray) -> np.ndarray:
        """Take in the next slice's region, (H, W) bool; return its labels, (H, W) int32, nought outside."""
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
        boxes[0] = 0
        if count > 1 and self._below.any():
            self._touching.append(touching(self._below, labels) + np.array([self.first[-2], self.first[-1]]))
        self._boxes.append(boxes)
        self._below = labels
        self.first.append(self.first[-1] + count)
        return labels

    def entries(self, number: int) -> slice:
        """Return where a slice's entries are."""
        return slice(self.first[number], self.first[number + 1])

    @property
    def boxes(self) -> np.ndarray:
        """For each entry x, y, width, height and area in px, (N, 5) int32; noughts for a background."""
        return np.concatenate(self._boxes)

    @property
    def slice_numbers(self) -> np.ndarray:
        """For each entry its slice, (N,) int64."""
        numbers: np.ndarray = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        return numbers

    def parts(self) -> np.ndarray:
        """Return for each entry the lowest entry of its part, (N,) int64."""
        parent = list(range(self.first[-1]))

        def root(entry: int) -> int:
            while parent[entry] != entry:
                parent[entry] = parent[parent[entry]]
                entry = parent[entry]
            return entry

        for below, above in np.concatenate(self._touching).tolist():
            low, high = sorted((root(below), root(above)))
            parent[high] = low
        return np.array([root(entry) for entry in parent], np.int64)

    def largest(self) -> np.ndarray:
        """Tell for each entry whether it belongs to the part with the most voxels, (N,) bool."""
        parts, areas = self.parts(), self.boxes[:, cv2.CC_STAT_AREA]
        sizes = np.bincount(parts, areas, len(parts))
        belongs: np.ndarray = (parts == sizes.argmax()) & (areas > 0)
        return belongs


def touching(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return which labels of two slices, (H, W) int32 each, touch by face, edge or corner: (M, 2) int64."""
    x, y, width, height = cv2.boundingRect((above > 0).astype(np.uint8))
    above = above[y : y + height, x : x + width]
    around = np.pad(below, 1)[y : y + height + 2, x : x + width + 2]
    found = []
    for dy, dx in np.ndindex(3, 3):
        beside = around[dy : dy + height, dx : dx + width]
        both = (beside > 0) & (above > 0)
        pairs = np.stack([beside[both], above[both]], 1)
        # Most neighbours in a row say the same; to sort them all would take longer than everything else.
        found.append(pairs[np.append(True, (pairs[1:] != pairs[:-1]).any(1))[: len(pairs)]])
    return np.unique(np.concatenate(found), axis=0).astype(np.int64)
