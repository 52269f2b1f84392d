"""Read pictures: PNG, JPEG, BMP, TIFF, WebP; 8 or 16 bit; grey, RGB, palette, alpha. Decoded by Pillow alone.

Pillow says so when a file is cut short; OpenCV fills a cut JPEG with grey and returns None for a cut PNG.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from models.errors import InvalidScan
from models.scan_type import Scan, check_size

MAGIC = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"BM": "bmp",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
}
# Mean difference between colour channels, of 255, above which a picture is coloured. Grey CT saved as JPEG stays
# under 1; photographs lie above 10.
COLOUR_LIMIT = 4.0
# A CT slice is surrounded by air: of 4,134 real slices measured, each has at least 84 % of its border dark. A
# portrait photograph had 54 %, a close texture 1 %.
DARK_SHARE = 0.25
DARK_BORDER_LIMIT = 0.7


def picture_format(data: bytes) -> str | None:
    """Tell a picture's format by its first bytes."""
    for magic, form in MAGIC.items():
        if data.startswith(magic):
            return form
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def read_picture(data: bytes, form: str) -> Scan:
    """Read a picture.

    Raises:
        InvalidScan: cut short, damaged, too small or large, of several frames, or in colour.
    """
    try:
        # Quiet: our own bound on the size is stricter than the one of which Pillow only warns, and damage that it only
        # warns of either keeps it from decoding or touches no pixel.
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=[form.upper()]) as image:
            check_size(image.height, image.width)
            if getattr(image, "n_frames", 1) != 1:
                raise InvalidScan(
                    "unsupported_multiframe", "The file holds several pictures; please send them one by one."
                )
            image.load()
            pixels = to_grey(upright(image))
    except InvalidScan:
        raise
    except Image.DecompressionBombError as error:
        raise InvalidScan("image_too_large", "The picture has too many pixels.") from error
    except (EOFError, OSError, SyntaxError) as error:
        raise broken(error) from error
    except MemoryError:
        raise
    except Exception as error:
        # What Pillow's decoders let out for damaged headers has no common base: struct.error, ValueError and more.
        raise InvalidScan("unreadable_file", "The picture is damaged and cannot be read.") from error
    return Scan(pixels, None, form, calibrated=False, warnings=picture_warnings(pixels))


def broken(error: Exception) -> InvalidScan:
    """Return the refusal for a file that ends too soon, or is damaged."""
    text = str(error).lower()
    if isinstance(error, EOFError) or any(word in text for word in ("truncated", "unexpected end", "not enough")):
        return InvalidScan("truncated", "The picture is cut short; please export or copy it again.")
    return InvalidScan("unreadable_file", "The picture is damaged and cannot be read.")


def upright(image: Image.Image) -> Image.Image:
    """Return the picture turned as its EXIF tag says."""
    return ImageOps.exif_transpose(image)


def to_grey(image: Image.Image) -> np.ndarray:
    """Return (H, W) uint8; 16-bit values are stretched from lowest to highest.

    Raises:
        InvalidScan: the picture is in colour, or holds values that are no numbers.
    """
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return stretch(np.asarray(image, np.float32))
    if image.mode in ("1", "L", "LA", "La"):
        return np.array(image.convert("L") if image.mode == "1" else image.getchannel(0))
    values = np.asarray(image.convert("RGBA"))[..., :3].astype(np.int16)  # (H, W, 3)
    difference = np.abs(values - values[..., [1, 2, 0]]).mean()
    if difference > COLOUR_LIMIT:
        raise InvalidScan("not_a_ct", "This is a colour picture; CT slices are grey.")
    return np.array(image.convert("RGB").convert("L"))


def stretch(values: np.ndarray) -> np.ndarray:
    """Return (H, W) uint8 from values of any range, lowest to 0 and highest to 255.

    Raises:
        InvalidScan: a value is not a number.
    """
    if not np.isfinite(values).all():
        raise InvalidScan("unreadable_file", "The picture holds values that are not numbers.")
    low, high = float(values.min()), float(values.max())
    return np.rint((values - low) / max(high - low, 1e-6) * 255).astype(np.uint8)


def picture_warnings(pixels: np.ndarray) -> tuple[str, ...]:
    """Tell what looks unlike a CT slice; a crop may, so it is no refusal."""
    low, high = int(pixels.min()), int(pixels.max())
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.float32)
    dark = (border <= low + DARK_SHARE * (high - low)).mean()
    return ("unlike_ct",) if dark < DARK_BORDER_LIMIT else ()
