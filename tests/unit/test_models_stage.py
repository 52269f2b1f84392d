"""The two rules of stage, at and beside every boundary."""

import numpy as np
import pytest

from models.measure import measure
from models.postprocess import LIVER, TUMOR
from models.stage import legacy_stage, size_stage


@pytest.mark.parametrize(
    ("boxes", "stage"),
    [
        ([], None),
        ([(1, 1)], "I"),
        ([(6, 6)], "I"),
        ([(30, 30)], "I"),
        ([(29, 31)], "I"),
        ([(30, 31)], "II"),
        ([(31, 31)], "II"),
        ([(49, 50)], "II"),
        ([(49.9, 50)], "II"),
        ([(50, 50)], "III"),
        ([(20, 80)], "III"),
        ([(128, 128)], "III"),
        ([(10, 10), (40, 40), (12, 12)], "II"),
        ([(6, 6), (5, 4)], "I"),
    ],
)
def test_the_ancestors_rule_is_kept_to_the_number(boxes: list[tuple[float, float]], stage: str | None) -> None:
    assert legacy_stage(boxes) == stage


@pytest.mark.parametrize(
    ("sizes_mm", "stage"),
    [
        ([], None),
        ([0.7], "I"),
        ([20.0], "I"),
        ([20.01], "II"),
        ([50.0], "II"),
        ([50.01], "III"),
        ([5.0, 5.0], "II"),
        ([30.0, 30.0], "II"),
        ([30.0, 30.0, 30.0], "II"),
        ([30.01, 4.0], "III"),
        ([4.0, 4.0, 30.01], "III"),
        ([4.0, 4.0, 4.0, 4.0], "III"),
    ],
)
def test_the_rule_by_size_cuts_at_20_30_and_50_mm(sizes_mm: list[float], stage: str | None) -> None:
    assert size_stage(sizes_mm) == stage


@pytest.mark.parametrize(
    ("side_px", "box_px", "stage"),
    [(128, 30, "I"), (128, 31, "II"), (128, 50, "III"), (512, 120, "I"), (512, 124, "II"), (512, 200, "III")],
)
def test_the_ancestors_rule_is_applied_on_a_frame_of_128(side_px: int, box_px: int, stage: str) -> None:
    mask = np.full((side_px, side_px), LIVER, np.uint8)
    mask[5 : 5 + box_px, 5 : 5 + box_px] = TUMOR

    result = measure(mask, np.full(mask.shape, 0.5, np.float32), None, calibration=(1.0, 0.0))

    assert (result.stage, result.stage_rule) == (stage, "bbox-128")


@pytest.mark.parametrize("spacing_mm", [None, (0.8, 0.8)])
def test_every_stage_says_that_one_slice_is_a_lower_bound(spacing_mm: tuple[float, float] | None) -> None:
    mask = np.full((100, 100), LIVER, np.uint8)
    mask[5:20, 5:20] = TUMOR

    result = measure(mask, np.full(mask.shape, 0.5, np.float32), spacing_mm, calibration=(1.0, 0.0))

    assert "lower bound" in result.stage_note
