"""What a slice costs: processor time of one thread, which a busy machine does not stretch as it does the clock's."""

import time

import numpy as np

from models.segmenter import Segmenter

BATCHES = (1, 8)
SLICES = 24


def cost_ms(segmenter: Segmenter) -> dict[str, float]:
    """Return the processor time of a slice in ms, by batch size: the best of several, the first being warm-up.

    Args:
        segmenter: the network, on one thread.
    """
    side = segmenter.contract.side
    costs = {}
    for batch in BATCHES:
        slices = np.random.default_rng(1).random((batch, 1, side, side)).astype(np.float32)
        segmenter.predict(slices)
        times = []
        for _ in range(SLICES // batch):
            start = time.process_time()
            segmenter.predict(slices)
            times.append(time.process_time() - start)
        costs[f"batch_{batch}"] = round(1000 * min(times) / batch, 2)
    return costs
