"""The small pictures stored with a result, for pages to show."""

import cv2
import numpy as np

PREVIEW_SIDE_PX = 1024
THUMBNAIL_SIDE_PX = 96
JPEG_QUALITY = 90
TUMOR = 255
TUMOR_COLOUR_BGR = (64, 96, 255)


def shrink(picture: np.ndarray, side_px: int, interpolation: int) -> np.ndarray:
    """Return a picture whose longer side is at most `side_px`, in its own proportions."""
    scale = side_px / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(n * scale)) for n in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=interpolation)


def encode_preview(pixels: np.ndarray) -> bytes:
    """Encode a scan, (H, W) uint8 display values, as a JPEG to look at."""
    return encode(".jpg", shrink(pixels, PREVIEW_SIDE_PX, cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def encode_thumbnail(pixels: np.ndarray, mask: np.ndarray) -> bytes:
    """Encode a scan with its tumors filled in colour, both (H, W) uint8, as a small JPEG for lists."""
    small = cv2.cvtColor(shrink(pixels, THUMBNAIL_SIDE_PX, cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    size = (small.shape[1], small.shape[0])
    # The largest value wins, so that a small tumor does not vanish between the samples.
    share = cv2.resize((mask == TUMOR).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    alpha = np.clip(share * 3, 0, 0.75)[..., None]
    blended = small * (1 - alpha) + np.array(TUMOR_COLOUR_BGR, np.float32) * alpha
    return encode(".jpg", blended.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def encode_map(shares: np.ndarray) -> bytes:
    """Encode what the network says of each position, (S, S) float32 in 0..1, as an 8-bit grey PNG."""
    return encode(".png", np.rint(shares * 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])


def encode(extension: str, picture: np.ndarray, options: list[int]) -> bytes:
    """Encode a picture.

    Raises:
        MemoryError: the encoder found no room, its only cause of failure for a valid array.
    """
    done, content = cv2.imencode(extension, picture, options)
    if not done:
        raise MemoryError("the picture could not be encoded")
    return content.tobytes()
