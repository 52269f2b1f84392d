"""The training data: slices in memory, drawn with balance, and augmented. Its origin: `docs/model-card.md`."""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.preprocess import preprocess

LIVER, TUMOR = 128, 255
NATIVE_SIDE = 224


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


def sampling_weights(infos: list[SliceInfo]) -> np.ndarray:
    """Return how often to draw each slice, (N,) float64, in all 1.

    Six in ten drawn have tumor, about as many as the training slices have. The square root keeps a person of 500
    slices ahead of one of 20, but not 25 times.
    """
    persons = {info.person for info in infos}
    count = {person: sum(info.person == person for info in infos) for person in persons}
    positive_share = sum(info.tumor_px > 0 for info in infos) / len(infos)
    weights: np.ndarray = np.array(
        [
            (1 / np.sqrt(count[info.person])) * (0.6 / positive_share if info.tumor_px else 0.4 / (1 - positive_share))
            for info in infos
        ]
    )
    shares: np.ndarray = weights / weights.sum()
    return shares


def augment(image: np.ndarray, mask: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turn, scale, shift and re-grey a slice the way another patient or scanner might; never mirror it.

    Mirroring would put the liver on the other side, which no patient of this data has.

    Args:
        image: (S, S) uint8.
        mask: (S, S) uint8 of 0, 128, 255.
        random: the source of chance.

    Returns:
        (S, S) float32 in 0..1, and the mask moved alike.
    """
    side = image.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), random.uniform(-15, 15), random.uniform(0.8, 1.25))
    turn[:, 2] += random.uniform(-0.08, 0.08, 2) * side
    image = cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(mask, turn, (side, side), flags=cv2.INTER_NEAREST)
    grey: np.ndarray = image.astype(np.float32) / 255
    grey = grey ** random.uniform(0.7, 1.4)
    grey = (grey - 0.5) * random.uniform(0.85, 1.2) + 0.5 + random.uniform(-0.08, 0.08)
    if random.random() < 0.3:
        grey = cv2.GaussianBlur(grey, (0, 0), random.uniform(0.3, 1.2))
    if random.random() < 0.5:
        grey = grey + random.normal(0, random.uniform(0.005, 0.05), grey.shape).astype(np.float32)
    return np.clip(grey, 0, 1), mask


def targets(mask: np.ndarray) -> np.ndarray:
    """Return (2, S, S) float32: liver including tumor, and tumor."""
    return np.stack([mask >= LIVER, mask == TUMOR]).astype(np.float32)
