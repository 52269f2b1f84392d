"""NIfTI volumes: what is read of them, and what is refused."""

import gzip
import struct

import nibabel
import numpy as np
import pytest

from models.errors import InvalidScan
from models.grid import Grid
from models.mask_nifti import INTENDED_USE, encode_mask_nifti
from models.nifti import is_nifti, read_nifti
from models.phantom_volume import affine_of, draw_volume, to_nifti
from models.scan import read_scan, read_volume, sniff_format
from models.window import to_display

PHANTOM = draw_volume(1, side=64, slice_count=6)
PLAIN = to_nifti(PHANTOM, packed=False)


def changed(at: int, form: str, *values: float) -> bytes:
    """The phantom with some of its header overwritten."""
    content = bytearray(PLAIN)
    struct.pack_into(form, content, at, *values)
    return bytes(content)


def code_of(content: bytes) -> str:
    with pytest.raises(InvalidScan) as refusal:
        read_volume(content)
    return refusal.value.code


@pytest.mark.parametrize("packed", [False, True])
def test_a_volume_is_read_as_it_was_written(packed: bool) -> None:
    content = to_nifti(PHANTOM, packed=packed)

    volume = read_volume(content)

    assert sniff_format(content) == volume.format == "nifti"
    assert np.array_equal(np.stack(list(volume.slices)), to_display(PHANTOM.hu.astype(np.float32)))
    assert (volume.spacing_mm, volume.slice_distance_mm, volume.warnings) == ((6.25, 6.25), 5.0, ())


@pytest.mark.parametrize("dtype", ["int16", ">i2", "int32", "float32", "float64"])
@pytest.mark.parametrize("slope", [1.0, 2.0])
def test_every_kind_of_number_and_slope_gives_the_same_picture(dtype: str, slope: float) -> None:
    image = nibabel.Nifti1Image(np.zeros((64, 64, 6), np.int16), affine_of(PHANTOM))
    image.header.set_data_dtype(dtype)
    header = image.header.as_byteswapped(">") if dtype.startswith(">") else image.header
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = slope, 10.0, 352
    stored = ((PHANTOM.hu // 2 * 2 - 10.0) / slope).astype(dtype)

    volume = read_nifti(header.binaryblock + bytes(4) + stored.tobytes())

    assert np.array_equal(np.stack(list(volume.slices)), to_display((PHANTOM.hu // 2 * 2).astype(np.float32)))


def test_what_is_no_number_counts_as_air() -> None:
    image = nibabel.Nifti1Image(np.zeros((64, 64, 6), np.float32), affine_of(PHANTOM))
    hu = PHANTOM.hu.astype(np.float32)
    hu[0, 0, :3] = np.nan, np.inf, -np.inf
    image.header["vox_offset"] = 352

    volume = read_nifti(image.header.binaryblock + bytes(4) + hu.tobytes())

    assert next(iter(volume.slices))[0, :3].tolist() == [0, 0, 0]


def test_a_file_that_stores_other_axes_gives_the_same_picture_and_takes_its_mask_back() -> None:
    image = nibabel.Nifti1Image(PHANTOM.hu.transpose(2, 1, 0), affine_of(PHANTOM))
    sagittal = image.as_reoriented(
        nibabel.orientations.axcodes2ornt(("A", "S", "R"), (("R", "L"), ("A", "P"), ("I", "S")))
    )
    volume = read_nifti(sagittal.to_bytes())
    assert np.array_equal(np.stack(list(volume.slices)), to_display(PHANTOM.hu.astype(np.float32)))

    whole = np.zeros(volume.grid.shape[::-1], np.uint8)
    volume.grid.turned(whole)[:] = PHANTOM.mask
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(encode_mask_nifti(whole, volume.grid)))

    assert (mask.shape, mask.header["sform_code"]) == (sagittal.shape, 1)
    assert np.allclose(mask.affine, sagittal.affine, atol=1e-4)
    assert bytes(mask.header["descrip"]).rstrip(b"\0") == INTENDED_USE
    # The same voxel of the body has the same name in both files.
    back = mask.as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.io_orientation(mask.affine), nibabel.io_orientation(affine_of(PHANTOM))
        )
    )
    assert np.array_equal(np.asarray(back.dataobj).transpose(2, 1, 0), PHANTOM.mask)


def test_the_same_mask_gives_the_same_bytes() -> None:
    grid = Grid((64, 64, 6), tuple(map(tuple, affine_of(PHANTOM).tolist())))

    assert len({encode_mask_nifti(PHANTOM.mask, grid) for _ in range(2)}) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (PLAIN[:-1], "truncated"),
        (to_nifti(PHANTOM)[:-20], "truncated"),
        (changed(40, "<8h", 3, 64, -1, 6, 1, 1, 1, 1), "invalid_nifti"),
        (changed(40, "<8h", 0, 64, 64, 6, 1, 1, 1, 1), "invalid_nifti"),
        (changed(40, "<8h", 7, 64, 64, 6, 1, 1, 1, 1), "invalid_nifti"),
        (changed(40, "<8h", 4, 64, 64, 3, 2, 1, 1, 1), "invalid_nifti"),
        (changed(40, "<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1), "image_too_large"),
        (changed(40, "<8h", 3, 1024, 1024, 2000, 1, 1, 1, 1), "image_too_large"),
        (changed(40, "<8h", 3, 32, 64, 12, 1, 1, 1, 1), "image_too_small"),
        (changed(70, "<h", 32), "invalid_nifti"),
        (changed(70, "<h", 128), "invalid_nifti"),
        (changed(252, "<2h", 0, 0), "invalid_nifti"),
        (changed(123, "<B", 1), "invalid_nifti"),
        (changed(280, "<f", float("nan")), "invalid_nifti"),
        (changed(280, "<4f", 0, -6.25, 0, 0), "invalid_nifti"),
        (changed(280, "<12f", 3, 3, 0, 0, -3, 3, 0, 0, 0, 0, 5, 0), "oblique"),
        (PLAIN[:352] + b"\0\0" * (64 * 64 * 6), "no_content"),
        (b"no volume at all", "unsupported_type"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(content: bytes, code: str) -> None:
    assert code_of(content) == code


def test_values_without_air_are_pointed_out() -> None:
    bright = np.clip(PHANTOM.hu, 0, 255).astype("<i2")

    assert read_nifti(PLAIN[:352] + bright.tobytes()).warnings == ("unlike_ct",)


def test_a_volume_is_no_slice_and_a_pair_of_files_no_volume() -> None:
    with pytest.raises(InvalidScan) as refusal:
        read_scan(PLAIN)

    assert refusal.value.code == "unsupported_type"
    assert not is_nifti(PLAIN.replace(b"n+1\0", b"ni1\0", 1))


def test_damage_anywhere_in_the_header_is_refused_or_read() -> None:
    random = np.random.default_rng(1)
    for _ in range(400):
        content = bytearray(PLAIN)
        for at in random.integers(0, 352, 4):
            content[at] = random.integers(256)
        try:
            read_volume(bytes(content))
        except InvalidScan as refusal:
            assert refusal.detail.endswith(".")
