"""What every peer does with a picture: exactly the product's own analysis, without its previews and its storing."""

from functools import cache
from pathlib import Path
from typing import Any

import cv2

from models.mask_png import encode_mask
from models.pipeline import infer, interpret
from models.scan import read_scan
from models.segmenter import Segmenter

MODEL_DIR = Path(__file__).parents[2] / "models"


@cache
def segmenter() -> Segmenter:
    """The network, loaded once per process."""
    cv2.setNumThreads(1)
    return Segmenter(MODEL_DIR, threads=1)


def analyse(content: bytes) -> dict[str, Any]:
    """Return what was found in a picture; the mask is encoded and weighed, not kept."""
    return analyse_batch([content])[0]


def analyse_batch(contents: list[bytes]) -> list[dict[str, Any]]:
    """Return what was found in each of several pictures."""
    scans = [read_scan(content) for content in contents]
    found = []
    for scan, probabilities in zip(scans, infer(scans, segmenter()), strict=True):
        interpretation = interpret(scan, probabilities, segmenter().contract)
        measured = interpretation.measurement.to_dict()
        found.append({"lesions": len(measured["lesions"]), "mask_bytes": len(encode_mask(interpretation.mask))})
    return found
