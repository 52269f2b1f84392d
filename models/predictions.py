"""What the network says of a split's slices, by the very functions that serve."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

from models.dataset import SliceInfo, read_infos, read_pair
from models.pipeline import infer
from models.scan_type import Scan
from models.segmenter import Segmenter

BATCH = 8


@dataclass(frozen=True)
class Prediction:
    """One slice: its scan, the expert's mask (H, W) uint8, and the probabilities (2, S, S) float32."""

    info: SliceInfo
    scan: Scan
    truth: np.ndarray
    probabilities: np.ndarray


def predict_split(root: Path, split: str, segmenter: Segmenter, *, every: int = 1) -> Iterator[Prediction]:
    """Yield the prediction of each slice of a split, or of one in `every`.

    Args:
        root: folder with slices.csv and the splits.
        split: "train", "val" or "test".
        segmenter: the network.
        every: 1 for all slices.
    """
    infos = read_infos(root, split)[::every]
    for start in tqdm(range(0, len(infos), BATCH), desc=f"{split} slices", unit_scale=BATCH):
        chunk = infos[start : start + BATCH]
        pairs = [read_pair(root, split, info) for info in chunk]
        scans = [Scan(image, None, "png", calibrated=False) for image, _ in pairs]
        for info, scan, pair, probabilities in zip(chunk, scans, pairs, infer(scans, segmenter), strict=True):
            yield Prediction(info, scan, pair[1], probabilities)
