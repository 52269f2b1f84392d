"""The small pictures stored with a result, for pages to show."""

import cv2
import numpy as np

PREVIEW_SIDE_PX = 1024
THUMBNAIL_SIDE_PX = 128
JPEG_QUALITY = 90
# A volume has hundreds of slices; one is looked at for a moment.
SLICE_SIDE_PX = 512
SLICE_QUALITY = 80
# Smooth shares differ little from row to row, and are nought for long: a quarter of the time of OpenCV's choice.
MAP_OPTIONS = [
    cv2.IMWRITE_PNG_COMPRESSION, 1,
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP,
]  # fmt: skip
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


def encode_slice_preview(pixels: np.ndarray) -> bytes:
    """Encode a slice of a volume, (H, W) uint8 display values, as a JPEG to scroll past."""
    return encode(".jpg", shrink(pixels, SLICE_SIDE_PX, cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, SLICE_QUALITY])


def decode_preview(content: bytes) -> np.ndarray:
    """Return a preview's pixels, (h, w) uint8."""
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE))


def encode_thumbnail(pixels: np.ndarray, mask: np.ndarray) -> bytes:
    """Encode a scan with its tumors filled in colour, as a small JPEG for lists.

    Args:
        pixels: (H, W) uint8 display values.
        mask: (H', W') uint8 of 0, 128, 255, of the same proportions.
    """
    small = cv2.cvtColor(shrink(pixels, THUMBNAIL_SIDE_PX, cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    tumor = cv2.inRange(mask, TUMOR, TUMOR)
    if tumor.any():
        share = cv2.resize(tumor, small.shape[1::-1], interpolation=cv2.INTER_AREA) / np.float32(255)
        # Thrice its share, so that a small tumor does not vanish between the samples.
        alpha = np.clip(share * 3, 0, 0.75)[..., None]
        small = (small * (1 - alpha) + np.array(TUMOR_COLOUR_BGR, np.float32) * alpha).astype(np.uint8)
    return encode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def encode_map(shares: np.ndarray) -> bytes:
    """Encode what the network says of each position, (S, S) float32 in 0..1, as an 8-bit grey PNG."""
    return encode(".png", cv2.convertScaleAbs(shares, alpha=255), MAP_OPTIONS)


def encode(extension: str, picture: np.ndarray, options: list[int]) -> bytes:
    """Encode a picture.

    Raises:
        MemoryError: the encoder found no room, its only cause of failure for a valid array.
    """
    done, content = cv2.imencode(extension, picture, options)
    if not done:
        raise MemoryError("the picture could not be encoded")
    return content.tobytes()
