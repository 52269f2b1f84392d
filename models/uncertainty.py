"""Where the network is unsure: the entropy of what it says each pixel is.

Source: Shannon 1948, over the three classes that the mask may show.
"""

import numpy as np


def class_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return how unsure the network is, from nought, certain, to one, background, liver and tumor alike.

    Unlike the tumor probability it also shows where the liver's edge is in doubt. A spread over altered inputs would
    say more, and cost as many runs of the network.

    Args:
        probabilities: (2, S, S) float32, channels liver (with tumor) and tumor.

    Returns:
        (S, S) float32 in 0..1.
    """
    liver, tumor = probabilities
    either = np.maximum(liver, tumor)
    classes = np.stack([1 - either, either - tumor, tumor])
    entropy: np.ndarray = -(classes * np.log(np.maximum(classes, 1e-12))).sum(0) / np.float32(np.log(3))
    return entropy.clip(0, 1)
