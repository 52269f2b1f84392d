"""Masks as small PNG files: 8-bit grey, 0 background, 128 liver, 255 tumor."""

import cv2
import numpy as np


def encode_mask(mask: np.ndarray) -> bytes:
    """Encode a mask, (H, W) uint8, without loss; the same mask gives the same bytes.

    Raises:
        MemoryError: the encoder found no room, its only cause of failure for a valid mask.
    """
    # Run lengths alone suit three flat values: fast, and smaller than the general strategy at its fast levels.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    done, content = cv2.imencode(".png", mask, options)
    if not done:
        raise MemoryError("the mask could not be encoded")
    return content.tobytes()
