"""Draw a result over its scan, on demand: nobody waits for a picture that nobody asks for."""

import io

from PIL import Image, ImageChops, ImageDraw, ImageFilter

LIVER, TUMOR = 128, 255
LIVER_COLOUR = (64, 196, 255)
TUMOR_COLOUR = (255, 82, 64)
BOX_COLOUR = (255, 214, 64)
TUMOR_OPACITY = 90


def draw_overlay(preview: bytes, mask: bytes, boxes: list[list[int]]) -> bytes:
    """Draw the liver's outline, the tumors and the lesions' boxes.

    Args:
        preview: the scan as JPEG.
        mask: the mask as PNG of the scan's own size, 0, 128, 255.
        boxes: each lesion's x, y, width, height in px of the scan.

    Returns:
        A PNG of the preview's size.
    """
    with Image.open(io.BytesIO(preview), formats=["JPEG"]) as opened:
        picture = opened.convert("RGB")
    with Image.open(io.BytesIO(mask), formats=["PNG"]) as opened:
        scale = picture.width / opened.width
        labels = opened.resize(picture.size, Image.Resampling.NEAREST)
    liver = labels.point([255 if value >= LIVER else 0 for value in range(256)])
    tumor = labels.point([255 if value == TUMOR else 0 for value in range(256)])
    picture.paste(TUMOR_COLOUR, mask=tumor.point([value * TUMOR_OPACITY // 255 for value in range(256)]))
    picture.paste(LIVER_COLOUR, mask=outline(liver))
    picture.paste(TUMOR_COLOUR, mask=outline(tumor))
    pen = ImageDraw.Draw(picture)
    for x, y, width, height in boxes:
        pen.rectangle(
            [x * scale - 2, y * scale - 2, (x + width) * scale + 2, (y + height) * scale + 2], outline=BOX_COLOUR
        )
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def outline(region: Image.Image) -> Image.Image:
    """Return the one-pixel edge inside a region of 0 and 255."""
    return ImageChops.subtract(region, region.filter(ImageFilter.MinFilter(3)))
