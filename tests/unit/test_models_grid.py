"""Where voxels lie: whatever way a file stores them, the network sees the spine down and the liver on the left."""

import math

import numpy as np
import pytest
from nibabel.orientations import aff2axcodes, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from models.errors import InvalidScan
from models.grid import Grid

SHAPE_ZYX = (5, 7, 9)
SPACING_MM = (4.0, 0.8, 0.7)
# As the network wants it: columns to the left, rows to the back, slices upwards.
WANTED = np.diag([-SPACING_MM[2], -SPACING_MM[1], SPACING_MM[0], 1.0])


def stored_as(codes: str) -> tuple[np.ndarray, Grid, np.ndarray]:
    """A volume as the network wants it, the grid of a file that stores it by other axes, and its voxels there."""
    wanted = np.arange(math.prod(SHAPE_ZYX)).reshape(SHAPE_ZYX)
    turn = ornt_transform(io_orientation(WANTED), axcodes2ornt(tuple(codes)))
    voxels = wanted.transpose(2, 1, 0)  # (I, J, K)
    for axis, (_, flip) in enumerate(turn):
        voxels = np.flip(voxels, axis) if flip < 0 else voxels
    voxels = voxels.transpose(np.argsort(turn[:, 0]))
    affine = WANTED @ inv_ornt_aff(turn, SHAPE_ZYX[::-1])
    assert "".join(aff2axcodes(affine)) == codes
    return wanted, Grid(voxels.shape, tuple(map(tuple, affine.tolist()))), voxels.transpose(2, 1, 0)


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAS", "RPI", "ASR", "SAL", "PIR"])
def test_every_way_to_store_a_volume_is_turned_to_the_same_picture(codes: str) -> None:
    wanted, grid, voxels = stored_as(codes)

    assert np.array_equal(grid.turned(voxels), wanted)
    assert grid.shape_zyx == SHAPE_ZYX
    assert (grid.slice_distance_mm, *grid.spacing_mm) == pytest.approx(SPACING_MM)
    assert grid.voxel_mm3 == pytest.approx(math.prod(SPACING_MM))


def test_what_is_written_through_the_turned_view_lies_on_the_files_own_grid() -> None:
    wanted, grid, voxels = stored_as("ASR")
    mask = np.zeros_like(voxels)

    grid.turned(mask)[:] = wanted

    assert np.array_equal(mask, voxels)


def tilted(degrees: float) -> Grid:
    angle = math.radians(degrees)
    turn = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ WANTED[:3, :3]
    return Grid((9, 7, 5), tuple(map(tuple, affine.tolist())))


def test_slices_may_be_tilted_by_ten_degrees_and_no_more() -> None:
    assert tilted(9.9).shape_zyx == SHAPE_ZYX
    with pytest.raises(InvalidScan) as refusal:
        assert tilted(10.1).layout

    assert refusal.value.code == "oblique"


def test_the_distance_of_slices_of_a_tilted_gantry_is_that_along_their_normal() -> None:
    affine = WANTED.copy()
    affine[1, 2] = math.tan(math.radians(9)) * SPACING_MM[0]

    grid = Grid((9, 7, 5), tuple(map(tuple, affine.tolist())))

    assert grid.slice_distance_mm == pytest.approx(SPACING_MM[0])
    assert grid.voxel_mm3 == pytest.approx(math.prod(SPACING_MM))


@pytest.mark.parametrize("wrong", [0.0, math.nan, math.inf, 51.0])
def test_an_affine_that_makes_no_sense_is_refused(wrong: float) -> None:
    affine = WANTED.copy()
    affine[0, 0] = wrong

    with pytest.raises(InvalidScan) as refusal:
        assert Grid((9, 7, 5), tuple(map(tuple, affine.tolist()))).layout

    assert refusal.value.code == "invalid_nifti"
