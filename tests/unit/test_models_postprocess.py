"""From probabilities to a mask: what is kept, what is dropped, on which grid."""

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import models
from models.contract import Contract, Thresholds, load_contract
from models.mask_png import encode_mask
from models.phantom import draw_phantom
from models.postprocess import LIVER, TUMOR, compose_mask, find_liver, limit_to_liver, locate, to_scan_grid
from models.preprocess import preprocess

SIDE = 100


@pytest.fixture(scope="module")
def contract() -> Contract:
    shipped = load_contract(Path(models.__path__[0]))
    return replace(shipped, thresholds=Thresholds(0.5, 0.6, 0.8), min_lesion_share=9 / SIDE**2, liver_margin_share=0.03)


def probabilities(liver: tuple[int, int, int, int] | None, *tumors: tuple[int, int, int, int]) -> np.ndarray:
    """Return (2, 100, 100), 0.9 in boxes of (x, y, width, height), else 0."""
    result = np.zeros((2, SIDE, SIDE), np.float32)
    for channel, boxes in enumerate(([liver] if liver else [], tumors)):
        for x, y, width, height in boxes:
            result[channel, y : y + height, x : x + width] = 0.9
    return result


def make_mask(both: np.ndarray, contract: Contract) -> np.ndarray:
    liver = find_liver(both[0], contract)
    return compose_mask(liver, limit_to_liver(both[1], liver, contract), contract)


def test_the_mask_holds_background_liver_and_tumor(contract: Contract) -> None:
    mask = make_mask(probabilities((10, 10, 50, 50), (20, 20, 10, 10)), contract)

    assert (mask == TUMOR).sum() == 100
    assert (mask == LIVER).sum() == 2400
    assert (mask.dtype, mask.shape) == (np.uint8, (SIDE, SIDE))


def test_tumor_at_the_livers_edge_stays_and_further_off_goes(contract: Contract) -> None:
    mask = make_mask(probabilities((10, 10, 50, 50), (60, 20, 8, 8), (80, 20, 8, 8)), contract)

    assert (mask[20:28, 60:63] == TUMOR).all()  # within 3 px
    assert (mask[:, 63:] == 0).all()


@pytest.mark.parametrize(("side", "kept"), [(2, False), (3, True)])
def test_specks_are_dropped(contract: Contract, side: int, kept: bool) -> None:
    mask = make_mask(probabilities((10, 10, 50, 50), (20, 20, side, side)), contract)

    assert (mask == TUMOR).any() == kept


def test_the_smallest_lesion_is_a_share_of_the_grid(contract: Contract) -> None:
    small = probabilities((10, 10, 50, 50), (20, 20, 2, 2))
    large = to_scan_grid(small, (400, 400))

    assert not (make_mask(large, contract) == TUMOR).any()


def test_small_islands_of_liver_go_and_a_second_lobe_stays(contract: Contract) -> None:
    both = probabilities((10, 10, 50, 50))
    both[0, 70:90, 70:90] = 0.9
    both[0, 5:8, 90:95] = 0.9

    mask = make_mask(both, contract)

    assert (mask[70:90, 70:90] == LIVER).all()
    assert not mask[5:8, 90:95].any()


def test_without_liver_there_is_no_tumor(contract: Contract) -> None:
    assert not make_mask(probabilities(None, (20, 20, 30, 30)), contract).any()


@pytest.mark.parametrize(("outline", "peak", "marked_px"), [(0.59, 0.9, 1), (0.61, 0.9, 100), (0.61, 0.79, 0)])
def test_a_lesion_is_outlined_low_and_believed_high(
    contract: Contract, outline: float, peak: float, marked_px: int
) -> None:
    both = probabilities((10, 10, 50, 50))
    both[1, 20:30, 20:30] = outline
    both[1, 25, 25] = peak

    mask = make_mask(both, replace(contract, min_lesion_share=1 / SIDE**2))

    assert (mask == TUMOR).sum() == marked_px


def test_a_network_that_knows_no_liver_may_find_tumor_anywhere(contract: Contract) -> None:
    both = probabilities((10, 10, 20, 20), (12, 12, 5, 5), (80, 80, 8, 8))

    liver, tumor = locate(both[1:], (SIDE, SIDE), contract)

    assert not liver.any()
    assert np.array_equal(tumor, both[1])
    assert not locate(both, (SIDE, SIDE), contract)[1][80:].any()


@pytest.mark.parametrize("shape", [(224, 224), (512, 512), (100, 300)])
def test_probabilities_come_back_on_the_scans_own_grid(shape: tuple[int, int]) -> None:
    half = np.zeros((2, 40, 40), np.float32)
    half[:, :, :20] = 1

    on_grid = to_scan_grid(half, shape)

    assert [channel.shape for channel in on_grid] == [shape, shape]
    # The edge stays where it was, at half the width, to half a pixel of the coarse grid.
    assert abs((on_grid[0] > 0.5).sum(1).mean() - shape[1] / 2) <= shape[1] / 80


def test_the_margin_of_a_large_scan_is_cheap(contract: Contract) -> None:
    liver = np.zeros((2048, 2048), bool)
    liver[500:1500, 300:1200] = True

    start = time.process_time()
    near = limit_to_liver(np.ones(liver.shape, np.float32), liver, replace(contract, liver_margin_share=0.05))

    # A round dilation would take tens of seconds.
    assert time.process_time() - start < 5
    assert near[1000, 1200 + 90]
    assert not near[1000, 1200 + 110]


def test_preprocessing_stretches_each_slice_and_keeps_its_place() -> None:
    pixels = np.full((200, 200), 40, np.uint8)
    pixels[50:100, 100:150] = 90

    prepared = preprocess(pixels, 80)

    assert (prepared.shape, prepared.dtype) == ((1, 80, 80), np.float32)
    assert prepared[0, 30, 50] == 1
    assert prepared[0, 5, 5] == 0
    assert np.array_equal(preprocess(pixels // 2, 80), prepared)


@pytest.mark.parametrize("shape", [(64, 64), (513, 300), (80, 80), (2000, 90)])
def test_preprocessing_takes_any_shape(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8)

    prepared = preprocess(pixels, 80)

    assert prepared.shape == (1, 80, 80)
    assert 0 <= prepared.min() <= prepared.max() <= 1


def test_preprocessing_of_a_constant_slice_is_finite() -> None:
    assert not preprocess(np.full((70, 70), 9, np.uint8), 80).any()


def test_a_mask_survives_its_png_to_the_byte() -> None:
    mask = draw_phantom(3, side=256).mask

    content = encode_mask(mask)

    assert np.array_equal(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED), mask)
    assert content == encode_mask(mask.copy())
    assert len(content) < 4000
