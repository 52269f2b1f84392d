"""Augmentation alters slices as another patient or scanner might, and the mask alike."""

import numpy as np
import pytest

from models.dataset import GRAFT_LEAST_PX, LIVER, TUMOR, augment, bend, graft, plain
from models.phantom import draw_phantom_slice


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def slice_with(tumor: tuple[slice, slice] | None, *, liver_grey: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """A square liver, with a darker square tumor where asked for: grey (64, 64) float32, mask (64, 64) uint8."""
    grey, mask = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.uint8)
    grey[10:50, 10:50], mask[10:50, 10:50] = liver_grey, LIVER
    if tumor:
        grey[tumor], mask[tumor] = liver_grey - 0.2, TUMOR
    return grey, mask


def test_an_augmented_slice_is_a_slice(random: np.random.Generator) -> None:
    image, mask = draw_phantom_slice(3, 96)
    for _ in range(50):
        grey, moved = augment(image, mask, random)
        assert (grey.shape, grey.dtype, moved.shape, moved.dtype) == ((96, 96), np.float32, (96, 96), np.uint8)
        assert 0 <= grey.min() <= grey.max() <= 1
        assert set(np.unique(moved)) <= {0, LIVER, TUMOR}


def test_picture_and_mask_move_together(random: np.random.Generator) -> None:
    """Where the mask says liver, the picture is bright, wherever it was moved to."""
    _, mask = slice_with(None)
    image = np.where(mask == LIVER, np.uint8(200), np.uint8(0))
    for _ in range(50):
        grey, moved = augment(image, mask, random)
        assert grey[moved == LIVER].mean() > grey[moved == 0].mean() + 0.3


def test_no_slice_is_mirrored(random: np.random.Generator) -> None:
    """The liver stays on the picture's left, on which every patient of the data has it."""
    image = np.zeros((64, 64), np.uint8)
    image[24:40, 8:20] = 255
    for _ in range(50):
        _, moved = augment(image, np.where(image > 0, np.uint8(LIVER), np.uint8(0)), random)
        assert np.nonzero(moved)[1].mean() < 32


def test_a_bend_is_soft_and_small(random: np.random.Generator) -> None:
    columns, rows = bend(128, random)
    at = np.arange(128, dtype=np.float32)

    assert np.abs(columns - at).max() < 0.08 * 128
    # Nothing is folded over: further right comes from further right.
    assert (np.diff(columns, axis=1) > 0).all()
    assert (np.diff(rows, axis=0) > 0).all()


def test_a_graft_brings_the_tumor_as_bright_against_its_new_liver() -> None:
    grey, mask = slice_with(None, liver_grey=0.8)
    donor = slice_with((slice(20, 32), slice(20, 32)), liver_grey=0.5)

    grafted, marked = graft(grey, mask, *donor)

    assert (marked == TUMOR).sum() == 144
    assert grafted[26, 26] == pytest.approx(0.6, abs=0.02)
    assert grafted[45, 45] == pytest.approx(0.8)


def test_a_graft_stays_inside_the_liver() -> None:
    grey, mask = slice_with(None)
    donor_grey, donor_mask = slice_with((slice(4, 20), slice(4, 20)))

    _, marked = graft(grey, mask, donor_grey, donor_mask)

    assert ((marked == TUMOR) <= (mask == LIVER)).all()
    assert (marked == TUMOR).sum() == 100


@pytest.mark.parametrize("tumor", [None, (slice(20, 24), slice(20, 24)), (slice(0, 9), slice(0, 9))])
def test_without_enough_to_graft_the_slice_stays(tumor: tuple[slice, slice] | None) -> None:
    grey, mask = slice_with(None)

    grafted, marked = graft(grey, mask, *slice_with(tumor))

    assert GRAFT_LEAST_PX > 16
    assert (grafted == grey).all()
    assert (marked == mask).all()


def test_a_plain_slice_stays() -> None:
    image, mask = draw_phantom_slice(3, 64)

    grey, same = plain(image, mask)

    assert (np.rint(grey * 255) == image).all()
    assert (same == mask).all()
