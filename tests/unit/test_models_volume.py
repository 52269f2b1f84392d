"""A volume's liver, lesions and numbers, checked against geometry and against labelling the whole at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from models.contract import Contract, load_contract
from models.grid import Grid
from models.phantom_volume import draw_volume, to_nifti
from models.pieces import Pieces
from models.scan import read_volume
from models.segmenter import Segmenter
from models.volume_mask import VolumeMask
from models.volume_measure import VolumeMeasurement, measure_volume
from models.volume_pipeline import infer_slices
from models.volume_type import Volume

MODEL_DIR = Path(__file__).parents[2] / "models"
SIDE = 96
TOUCHING = np.ones((3, 3, 3), int)


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The shipped contract, with a grid of the size that is drawn here."""
    return replace(load_contract(MODEL_DIR), side=SIDE)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    """The shipped network."""
    return Segmenter(MODEL_DIR)


def volume_of(count: int, *, pixel_mm: float = 1.0, distance_mm: float | None = 2.0) -> Volume:
    affine = np.diag([-pixel_mm, -pixel_mm, distance_mm or 1.0, 1.0])
    spacing_mm = (pixel_mm, pixel_mm)
    return Volume((), Grid((SIDE, SIDE, count), tuple(map(tuple, affine.tolist()))), spacing_mm, distance_mm, "nifti")


def ball(count: int, centre: tuple[float, float, float], radius_mm: float, *, distance_mm: float = 2.0) -> np.ndarray:
    """A ball, (Z, S, S) bool, with pixels of a millimetre; its centre in mm."""
    z, y, x = np.ogrid[:count, :SIDE, :SIDE]
    cz, cy, cx = centre
    found: np.ndarray = (z * distance_mm - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= radius_mm**2
    return found


def measured(liver: np.ndarray, tumor: np.ndarray, contract: Contract, volume: Volume, p: float = 0.9):
    maps = [np.stack([a, b * p]).astype(np.float16) for a, b in zip(liver | tumor, tumor, strict=True)]
    masks: list[np.ndarray] = []
    found = VolumeMask(maps, (SIDE, SIDE), contract)
    measurement = measure_volume(volume, found, lambda number, mask: masks.append(mask))
    return measurement, np.stack(masks)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.5))
def test_pieces_linked_slice_by_slice_are_those_of_the_whole_volume(seed: int, share: float) -> None:
    region = np.random.default_rng(seed).random((5, 12, 11)) < share
    pieces = Pieces()
    entries = np.stack([pieces.add(slice_) + pieces.first[number] for number, slice_ in enumerate(region)])

    parts = np.where(region, pieces.parts()[entries] + 1, 0)

    expected, count = ndimage.label(region, TOUCHING)
    assert len(np.unique(parts[region])) == count
    assert len(np.unique(np.stack([parts[region], expected[region]]), axis=1).T) == count
    if count:
        sizes = ndimage.sum(region, expected, range(1, count + 1))
        assert pieces.largest()[entries][region].sum() == sizes.max()


@pytest.mark.parametrize(("pixel_mm", "distance_mm"), [(1.0, 1.0), (1.0, 2.5), (0.7, 5.0)])
def test_a_ball_has_its_volume_and_diameter_at_any_spacing(
    contract: Contract, pixel_mm: float, distance_mm: float
) -> None:
    count, radius_mm = 40, 15.0
    z, y, x = np.ogrid[:count, :SIDE, :SIDE]
    squared = (z - 20) ** 2 * distance_mm**2 + ((y - 48) ** 2 + (x - 48) ** 2) * pixel_mm**2
    tumor = squared <= radius_mm**2

    result, _ = measured(
        squared <= 28**2, tumor, contract, volume_of(count, pixel_mm=pixel_mm, distance_mm=distance_mm)
    )

    (lesion,) = result.lesions
    # A voxel more or less along each axis.
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * radius_mm**3 / 1000, rel=0.06)
    assert lesion.longest_diameter_mm == pytest.approx(2 * radius_mm, abs=1.5 * pixel_mm)
    assert lesion.short_axis_mm == pytest.approx(2 * radius_mm, abs=1.5 * pixel_mm)
    assert (lesion.slice, lesion.voxels) == (21, tumor.sum())
    assert lesion.last_slice - lesion.first_slice == 2 * int(radius_mm / distance_mm)
    assert result.tumor_volume_ml == lesion.volume_ml
    assert (result.stage, result.stage_rule) == ("II", "size-mm-1")
    assert "lower bound" not in result.stage_note


def test_numbers_of_a_volume_add_up(contract: Contract) -> None:
    count = 24
    liver = ball(count, (24, 48, 48), 30)
    tumor = ball(count, (16, 40, 40), 8) | ball(count, (32, 60, 56), 5)

    result, masks = measured(liver, tumor, contract, volume_of(count))

    assert result.scope == "volume"
    assert [lesion.voxels for lesion in result.lesions] == sorted((x.voxels for x in result.lesions), reverse=True)
    assert sum(lesion.voxels for lesion in result.lesions) == result.tumor_voxels == sum(result.tumor_px_by_slice)
    assert result.liver_voxels == sum(result.liver_px_by_slice) == (masks > 0).sum()
    assert result.affected_percent == pytest.approx(100 * tumor.sum() / (liver | tumor).sum(), abs=0.01)
    assert result.tumor_px_by_slice[result.shown_slice - 1] == max(result.tumor_px_by_slice)
    assert result.to_dict()["lesion_count"] == 2
    assert np.array_equal(masks == 255, tumor)


def test_the_liver_is_its_largest_part_and_tumor_elsewhere_is_not_believed(contract: Contract) -> None:
    count = 30
    liver, spleen = ball(count, (30, 48, 30), 20), ball(count, (30, 48, 80), 10)
    inside, outside = ball(count, (30, 48, 30), 6), ball(count, (30, 48, 80), 5)

    result, masks = measured(liver | spleen, inside | outside, contract, volume_of(count))

    assert len(result.lesions) == 1
    assert np.array_equal(masks > 0, liver)


def test_a_lesion_is_as_long_as_in_its_longest_slice(contract: Contract) -> None:
    count = 12
    liver, tumor = ball(count, (12, 48, 48), 40), np.zeros((count, SIDE, SIDE), bool)
    tumor[4:7, 45:50, 45:50] = True
    tumor[6, 45:50, 30:60] = True

    result, _ = measured(liver, tumor, contract, volume_of(count))

    (lesion,) = result.lesions
    assert (lesion.slice, lesion.first_slice, lesion.last_slice) == (7, 5, 7)
    assert lesion.bbox == (30, 45, 30, 5)
    assert lesion.bbox_by_slice == ((45, 45, 5, 5), (45, 45, 5, 5), (30, 45, 30, 5))
    assert lesion.longest_diameter_mm == pytest.approx(np.hypot(30, 5), abs=0.01)


def test_a_lesion_that_forks_has_one_box_around_all_its_pieces(contract: Contract) -> None:
    count = 12
    liver, tumor = ball(count, (12, 48, 48), 40), np.zeros((count, SIDE, SIDE), bool)
    tumor[4, 45:50, 30:60] = True
    tumor[5, 45:50, 30:36] = tumor[5, 45:52, 54:60] = True

    result, _ = measured(liver, tumor, contract, volume_of(count))

    (lesion,) = result.lesions
    assert lesion.bbox_by_slice == ((30, 45, 30, 5), (30, 45, 30, 7))
    assert (lesion.slice, lesion.voxels) == (5, 150 + 30 + 42)


def test_a_lesion_bright_in_one_slice_is_one_in_all_and_a_dim_one_is_none(contract: Contract) -> None:
    count, dim = 12, float(np.mean(contract.thresholds[1:]))
    liver = ball(count, (12, 48, 48), 40)
    seen, missed = ball(count, (12, 40, 40), 7), ball(count, (12, 64, 64), 7)
    tumor = np.where(seen | missed, dim, 0.0)
    tumor[6][seen[6]] = 0.9
    maps = [np.stack([a, b]).astype(np.float16) for a, b in zip(liver, tumor, strict=True)]

    result = measure_volume(volume_of(count), VolumeMask(maps, (SIDE, SIDE), contract))

    assert [lesion.voxels for lesion in result.lesions] == [seen.sum()]


def test_without_a_distance_between_slices_there_are_no_millilitres(contract: Contract) -> None:
    liver, tumor = ball(12, (12, 48, 48), 30), ball(12, (12, 48, 48), 8)

    result, _ = measured(liver, tumor, contract, volume_of(12, distance_mm=None))

    assert (result.liver_volume_ml, result.tumor_volume_ml, result.lesions[0].volume_ml) == (None, None, None)
    assert result.lesions[0].longest_diameter_mm is not None
    assert result.affected_percent is not None


def test_a_volume_without_liver_says_so(contract: Contract) -> None:
    found = VolumeMask([None] * 5, (SIDE, SIDE), contract)

    result: VolumeMeasurement = measure_volume(volume_of(5), found)

    assert (result.tumor_detected, result.warnings, result.affected_percent) == (False, ("no_liver",), None)
    assert result.shown_slice == 3
    assert result.confidence < 0.5


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_the_result_does_not_hang_on_how_many_slices_are_inferred_at_once(segmenter: Segmenter, batch: int) -> None:
    phantom = draw_volume(1, side=128, slice_count=13, radii_mm=(20.0,))
    volume = read_volume(to_nifti(phantom))

    def result_of(size: int) -> tuple[VolumeMeasurement, np.ndarray]:
        masks: list[np.ndarray] = []
        maps = [found for _, found in infer_slices(volume.slices, segmenter, batch=size)]
        found = VolumeMask(maps, (128, 128), segmenter.contract)
        return measure_volume(volume, found, lambda number, mask: masks.append(mask)), np.stack(masks)

    one, other = result_of(8), result_of(batch)

    assert one[0] == other[0]
    assert np.array_equal(one[1], other[1])
    assert one[0].tumor_detected
