"""The training data: slices in memory, drawn with balance, and augmented. Its origin: `docs/model-card.md`."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.preprocess import preprocess

LIVER, TUMOR = 128, 255
NATIVE_SIDE = 224
# Tumor of a slice, px at the native side, from which the next size begins.
TUMOR_SIZES_PX = (20, 100, 500)
POSITIVE_SHARE = 0.6
BEND_KNOTS = 5
BEND_SHARE = 0.04
GRAFT_EDGE_PX = 1.0
GRAFT_LEAST_PX = 20


@dataclass(frozen=True)
class SliceInfo:
    """One row of slices.csv."""

    scan: str
    person: str
    name: str
    liver_px: int
    tumor_px: int


@dataclass(frozen=True)
class Slices:
    """A split in memory: `images` (N, side, side) uint8, `masks` (N, side, side) uint8 of 0, 128, 255."""

    infos: list[SliceInfo]
    images: np.ndarray
    masks: np.ndarray


def read_infos(root: Path, split: str) -> list[SliceInfo]:
    """Return the rows of a split, without slices whose tumor vanished when they were made small."""
    with open(root / "slices.csv", newline="") as file:
        return [
            SliceInfo(row["scan"], row["person_group"], row["slice"], int(row["liver_px"]), int(row["tumor_px"]))
            for row in csv.DictReader(file)
            if row["split"] == split and row["tumor_lost_in_resize"] != "1"
        ]


def read_pair(root: Path, split: str, info: SliceInfo) -> tuple[np.ndarray, np.ndarray]:
    """Return a slice and its mask as stored, both (224, 224) uint8."""
    folder = root / split / info.scan
    image_path = next(p for p in (folder / f"{info.name}.webp", folder / f"{info.name}.png") if p.exists())
    image = cv2.imread(str(image_path), cv2.IMREAD_GRAYSCALE)
    mask = cv2.imread(str(folder / f"{info.name}_mask.png"), cv2.IMREAD_GRAYSCALE)
    if image is None or mask is None:
        raise OSError(f"{image_path} or its mask cannot be read.")
    return image, mask


def load_slices(root: Path, split: str, side: int, *, every: int = 1) -> Slices:
    """Read a split into memory at the network's input side."""
    infos = read_infos(root, split)[::every]
    images = np.empty((len(infos), side, side), np.uint8)
    masks = np.empty_like(images)
    for index, info in enumerate(infos):
        image, mask = read_pair(root, split, info)
        images[index] = np.rint(preprocess(image, side)[0] * 255)
        masks[index] = cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST)
    return Slices(infos, images, masks)


def size_bin(tumor_px: int) -> int:
    """Return which of the sizes told apart in the evaluation a slice's tumor has."""
    return int(np.searchsorted(TUMOR_SIZES_PX, tumor_px, side="right"))


def sampling_weights(infos: list[SliceInfo]) -> np.ndarray:
    """Return how often to draw each slice, (N,) float64, in all 1.

    Six in ten drawn have tumor, about as many as the training slices have. The square root keeps a person of 500
    slices ahead of one of 20, but not 25 times; and so with sizes of tumor.
    """
    persons = Counter(info.person for info in infos)
    sizes = Counter(size_bin(info.tumor_px) for info in infos if info.tumor_px)
    weights = np.array(
        [(persons[info.person] * (sizes[size_bin(info.tumor_px)] or 1)) ** -0.5 for info in infos], np.float64
    )
    positive = np.array([info.tumor_px > 0 for info in infos])
    for group, share in ((positive, POSITIVE_SHARE), (~positive, 1 - POSITIVE_SHARE)):
        weights[group] *= share / weights[group].sum()
    shares: np.ndarray = weights / weights.sum()
    return shares


def bend(side: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel of a softly bent slice comes from, two (side, side) float32: columns and rows."""
    pull = random.uniform(-1, 1, (2, BEND_KNOTS, BEND_KNOTS)).astype(np.float32) * np.float32(BEND_SHARE * side)
    columns, rows = (cv2.resize(axis, (side, side), interpolation=cv2.INTER_CUBIC) for axis in pull)
    at = np.arange(side, dtype=np.float32)
    return columns + at, rows + at[:, None]


def graft(
    grey: np.ndarray, mask: np.ndarray, donor_grey: np.ndarray, donor_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a slice with another slice's tumor in its liver, as bright against this liver as against its own.

    Tumors differ more between persons than livers do, and the persons are few. All are (S, S): greys float32 in 0..1,
    masks uint8 of 0, 128, 255. The slice comes back as it was where either has no liver or hardly any would be moved.
    """
    liver, donor_liver = mask == LIVER, donor_mask == LIVER
    place = (donor_mask == TUMOR) & liver
    if place.sum() < GRAFT_LEAST_PX or not donor_liver.any():
        return grey, mask
    brighter = np.median(grey[liver]) - np.median(donor_grey[donor_liver])
    share = cv2.GaussianBlur(place.astype(np.float32), (0, 0), GRAFT_EDGE_PX)  # no seam to learn
    grafted = grey + share * (donor_grey + brighter - grey)
    return np.clip(grafted, 0, 1).astype(np.float32), np.where(place, np.uint8(TUMOR), mask)


def augment(image: np.ndarray, mask: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turn, scale, bend, shift and re-grey a slice the way another patient or scanner might; never mirror it.

    Mirroring would put the liver on the other side, which no patient of this data has.

    Args:
        image: (S, S) uint8.
        mask: (S, S) uint8 of 0, 128, 255.
        random: the source of chance.

    Returns:
        (S, S) float32 in 0..1, and the mask moved alike.
    """
    side = image.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), random.uniform(-20, 20), 2 ** random.uniform(-0.4, 0.5))
    turn[0] *= 2 ** random.uniform(-0.2, 0.2)
    turn[:, 2] += random.uniform(-0.1, 0.1, 2) * side
    image = cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(mask, turn, (side, side), flags=cv2.INTER_NEAREST)
    if random.random() < 0.5:
        columns, rows = bend(side, random)
        image = cv2.remap(image, columns, rows, cv2.INTER_LINEAR)
        mask = cv2.remap(mask, columns, rows, cv2.INTER_NEAREST)
    grey: np.ndarray = image.astype(np.float32) / 255
    grey = grey ** np.float32(random.uniform(0.65, 1.5))
    grey = (grey - 0.5) * np.float32(random.uniform(0.8, 1.25)) + np.float32(0.5 + random.uniform(-0.1, 0.1))
    if random.random() < 0.3:
        grey = cv2.GaussianBlur(grey, (0, 0), random.uniform(0.3, 1.2))
    if random.random() < 0.2:
        coarse = cv2.resize(grey, None, fx=(share := random.uniform(0.4, 0.8)), fy=share, interpolation=cv2.INTER_AREA)
        grey = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    if random.random() < 0.5:
        grey = grey + random.standard_normal(grey.shape, np.float32) * np.float32(random.uniform(0.005, 0.05))
    return np.clip(grey, 0, 1), mask


def plain(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a slice as `augment` does, unchanged: (S, S) float32 in 0..1, and the mask."""
    return image.astype(np.float32) / 255, mask


def targets(mask: np.ndarray) -> np.ndarray:
    """Return (2, S, S) float32: liver including tumor, and tumor."""
    return np.stack([mask >= LIVER, mask == TUMOR]).astype(np.float32)
