"""Reading pictures: what is taken, and the code of each refusal."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from models.errors import InvalidScan
from models.phantom import draw_phantom
from models.scan import read_scan, sniff_format

FORMATS = ("png", "jpeg", "bmp", "tiff", "webp")


def encode(pixels: np.ndarray | Image.Image, form: str = "png", **options: object) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, form.upper(), **options)
    return stream.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidScan) as caught:
        read_scan(data)
    assert caught.value.detail.endswith(".")
    return caught.value.code


@pytest.fixture(scope="module")
def slice_pixels() -> np.ndarray:
    return draw_phantom(1, side=128).pixels


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_told_by_content_and_read(slice_pixels: np.ndarray, form: str) -> None:
    data = encode(slice_pixels, form)

    scan = read_scan(data)

    assert sniff_format(data) == scan.format == form
    assert scan.pixels.shape == slice_pixels.shape
    assert scan.pixels.dtype == np.uint8
    assert np.abs(scan.pixels.astype(int) - slice_pixels).mean() < 6
    assert (scan.spacing_mm, scan.calibrated, scan.warnings) == (None, False, ())


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_grey_is_the_same_in_every_mode(slice_pixels: np.ndarray, mode: str) -> None:
    assert np.array_equal(read_scan(encode(Image.fromarray(slice_pixels).convert(mode))).pixels, slice_pixels)


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_sixteen_bits_are_stretched_to_eight(slice_pixels: np.ndarray, form: str) -> None:
    scan = read_scan(encode(slice_pixels.astype(np.uint16) * 16 + 1000, form))

    assert (scan.pixels.min(), scan.pixels.max()) == (0, 255)
    assert np.abs(scan.pixels.astype(int) - slice_pixels).max() <= 1


def test_the_exif_turn_is_undone(slice_pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter

    scan = read_scan(encode(slice_pixels[:100], exif=exif))

    assert np.array_equal(scan.pixels, np.rot90(slice_pixels[:100], -1))


def test_a_grey_jpeg_with_colour_noise_is_grey(slice_pixels: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(0, 1.5, (*slice_pixels.shape, 3))
    noisy = np.clip(slice_pixels[..., None] + noise, 0, 255).astype(np.uint8)

    assert read_scan(encode(noisy, "jpeg", quality=75)).pixels.shape == slice_pixels.shape


def test_a_picture_without_air_around_it_is_flagged() -> None:
    texture = np.random.default_rng(1).integers(120, 255, (128, 128)).astype(np.uint8)
    texture[60:64, 60:64] = 0

    assert read_scan(encode(texture)).warnings == ("unlike_ct",)


def test_a_colour_picture_is_not_a_ct() -> None:
    assert refusal(encode(np.random.default_rng(1).integers(0, 255, (96, 96, 3)).astype(np.uint8))) == "not_a_ct"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_cut_file_is_refused(slice_pixels: np.ndarray, form: str, share: float) -> None:
    data = encode(slice_pixels, form)

    assert refusal(data[: int(len(data) * share)]) in {"truncated", "unreadable_file"}


def test_a_cut_png_and_jpeg_are_named_truncated(slice_pixels: np.ndarray) -> None:
    for form in ("png", "jpeg"):
        data = encode(slice_pixels, form)
        assert refusal(data[: len(data) // 2]) == "truncated"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "file_empty", id="empty"),
        pytest.param(b"not a picture at all", "unsupported_type", id="text"),
        pytest.param(b"GIF89a" + bytes(100), "unsupported_type", id="gif"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(200), "unreadable_file", id="png-magic-only"),
        pytest.param(b"%PDF-1.7" + bytes(100), "unsupported_type", id="pdf"),
    ],
)
def test_other_files_are_refused(data: bytes, code: str) -> None:
    assert refusal(data) == code


@pytest.mark.parametrize("size", [(63, 200), (200, 63), (1, 1)])
def test_small_pictures_are_refused(size: tuple[int, int]) -> None:
    assert refusal(encode(np.arange(size[0] * size[1]).reshape(size).astype(np.uint8))) == "image_too_small"


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8193, 64), (12_000, 9_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_large_pictures_are_refused_by_their_header(size: tuple[int, int]) -> None:
    assert refusal(png_header(*size)) == "image_too_large"


def test_several_pictures_in_one_file_are_refused(slice_pixels: np.ndarray) -> None:
    first, second = Image.fromarray(slice_pixels), Image.fromarray(slice_pixels[::-1].copy())

    assert refusal(encode(first, "tiff", save_all=True, append_images=[second])) == "unsupported_multiframe"


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_picture_of_one_value_has_no_content(value: int) -> None:
    assert refusal(encode(np.full((80, 80), value, np.uint8))) == "no_content"


def test_values_that_are_no_numbers_are_refused(slice_pixels: np.ndarray) -> None:
    values = slice_pixels.astype(np.float32)
    values[3, 3] = np.nan

    assert refusal(encode(Image.fromarray(values), "tiff")) == "unreadable_file"


@pytest.mark.parametrize("form", FORMATS)
def test_no_damage_escapes_as_another_error(slice_pixels: np.ndarray, form: str) -> None:
    data = encode(slice_pixels, form)
    random = np.random.default_rng(7)

    for _ in range(150):
        damaged = bytearray(data)
        for place in random.integers(0, min(len(data), random.choice([64, 400, len(data)])), 4):
            damaged[place] = random.integers(256)
        try:
            read_scan(bytes(damaged))
        except InvalidScan as error:
            assert error.code
