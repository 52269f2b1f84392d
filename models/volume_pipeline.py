"""Run the network over a volume, a few slices at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from models.preprocess import preprocess
from models.segmenter import Segmenter
from models.volume_mask import ORGAN

# As many as a batch of single slices; more gain nothing on a CPU.
BATCH_SLICES = 8


def infer_slices(
    slices: Iterable[np.ndarray], segmenter: Segmenter, *, batch: int = BATCH_SLICES
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield each slice, (H, W) uint8, with its probabilities, (2, S, S) float16; None where there is no liver at all.

    Half the bits tell a probability to a thousandth of itself, and take half the memory.
    """
    contract = segmenter.contract
    rest = iter(slices)
    while pixels := list(islice(rest, batch)):
        probabilities = segmenter.predict(np.stack([preprocess(slice_, contract.side) for slice_ in pixels]))
        for slice_, found in zip(pixels, probabilities.astype(np.float16), strict=True):
            yield slice_, found if found[ORGAN].max() >= contract.thresholds.liver else None
