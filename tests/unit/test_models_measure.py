"""Measurements of shapes whose size is known."""

import json
import math

import cv2
import numpy as np
import pytest

from models.lesion import diameters, find_lesions
from models.measure import BRIGHTEST_SHARE, PROBABILITY_FLOOR, brightest_logit, measure, slice_confidence
from models.postprocess import LIVER, TUMOR
from models.uncertainty import class_entropy

SHAPE = (200, 220)
AS_IS = (1.0, 0.0)


def draw(*regions: np.ndarray) -> np.ndarray:
    """Return a mask with a liver of 100 x 150 px from (20, 30) and tumor in the given regions."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[30:180, 20:120] = LIVER
    for region in regions:
        mask[region] = TUMOR
    return mask


def box(x: int, y: int, width: int, height: int) -> np.ndarray:
    region = np.zeros(SHAPE, bool)
    region[y : y + height, x : x + width] = True
    return region


def ellipse(x: int, y: int, a: float, b: float, turn_degrees: float = 0.0) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    turn = math.radians(turn_degrees)
    along = (columns - x) * math.cos(turn) + (rows - y) * math.sin(turn)
    across = -(columns - x) * math.sin(turn) + (rows - y) * math.cos(turn)
    return (along / a) ** 2 + (across / b) ** 2 <= 1


def certain(mask: np.ndarray, value: float = 0.9) -> np.ndarray:
    return np.where(mask == TUMOR, value, 0.01).astype(np.float32)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 4), (30, 40), (1, 17), (50, 5)])
def test_a_box_is_measured_from_outer_edge_to_outer_edge(width: int, height: int) -> None:
    mask = draw(box(40, 50, width, height))

    (lesion,) = find_lesions(mask, certain(mask), None)

    assert lesion.bbox == (40, 50, width, height)
    assert lesion.area_px == width * height
    assert lesion.centroid == (40 + (width - 1) / 2, 50 + (height - 1) / 2)
    diagonal = math.hypot(width, height)
    assert lesion.longest_diameter_px == pytest.approx(diagonal, abs=0.01)
    # Of a rectangle, the extent across its diagonal is twice the area over the diagonal.
    assert lesion.short_axis_px == pytest.approx(2 * width * height / diagonal, abs=0.01)


@pytest.mark.parametrize("radius", [5, 12, 30])
def test_a_disc_has_its_diameter_in_every_direction(radius: int) -> None:
    mask = draw(ellipse(70, 100, radius, radius))

    (lesion,) = find_lesions(mask, certain(mask), (1.0, 1.0))

    # Corners of edge pixels lie up to a pixel outside the circle on either side.
    assert 2 * radius <= lesion.longest_diameter_mm <= 2 * radius + 2
    assert 2 * radius <= lesion.short_axis_mm <= 2 * radius + 2
    assert lesion.area_mm2 == pytest.approx(math.pi * radius**2, rel=0.05)


@pytest.mark.parametrize("turn", [0, 30, 90, 135])
def test_an_ellipse_has_its_axes_however_it_is_turned(turn: float) -> None:
    mask = draw(ellipse(70, 100, 30, 12, turn))

    (lesion,) = find_lesions(mask, certain(mask), None)

    assert lesion.longest_diameter_px == pytest.approx(60, abs=2)
    assert lesion.short_axis_px == pytest.approx(24, abs=2.5)


def test_the_longest_diameter_in_mm_need_not_be_the_one_in_px() -> None:
    mask = draw(box(40, 50, 30, 20))

    (lesion,) = find_lesions(mask, certain(mask), (4.0, 0.5))  # rows 4 mm apart, columns 0.5 mm

    assert lesion.longest_diameter_mm == pytest.approx(math.hypot(30 * 0.5, 20 * 4), abs=0.01)
    assert lesion.area_mm2 == 30 * 20 * 4 * 0.5


def test_spacing_is_row_then_column() -> None:
    tall, wide = draw(box(40, 50, 1, 40)), draw(box(40, 50, 40, 1))

    assert find_lesions(tall, certain(tall), (2.0, 0.5))[0].longest_diameter_mm == pytest.approx(80, abs=0.01)
    assert find_lesions(wide, certain(wide), (2.0, 0.5))[0].longest_diameter_mm == pytest.approx(20.1, abs=0.01)


def test_pixels_that_touch_by_a_corner_are_one_lesion() -> None:
    mask = draw(box(40, 50, 5, 5), box(45, 55, 5, 5))

    assert [lesion.area_px for lesion in find_lesions(mask, certain(mask), None)] == [50]


def test_lesions_are_numbered_from_the_largest() -> None:
    mask = draw(box(30, 40, 4, 4), box(60, 60, 10, 10), box(90, 100, 6, 6))

    lesions = find_lesions(mask, certain(mask), None)

    assert [(lesion.id, lesion.area_px) for lesion in lesions] == [(1, 100), (2, 36), (3, 16)]


def test_a_lesion_has_the_mean_probability_inside() -> None:
    mask = draw(box(30, 40, 2, 2))
    probability = certain(mask)
    probability[40, 30:32] = 0.5

    assert find_lesions(mask, probability, None)[0].confidence == pytest.approx(0.7)


def test_a_lesion_at_the_edge_of_the_picture_is_measured() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:10, :6] = TUMOR

    assert find_lesions(mask, certain(mask), None)[0].bbox == (0, 0, 6, 10)


def test_a_point_pair_has_no_width() -> None:
    assert diameters(np.array([[0.0, 0.0], [3.0, 4.0]])) == pytest.approx((5.0, 0.0))


def test_affected_percent_is_of_the_liver_with_its_tumor() -> None:
    result = measure(draw(box(30, 40, 30, 50)), certain(draw()), None, calibration=AS_IS)

    assert (result.liver_area_px, result.tumor_area_px) == (15_000, 1_500)
    assert result.affected_percent == 10.0


def test_areas_are_in_mm2_only_with_spacing() -> None:
    mask = draw(box(30, 40, 10, 10))

    without = measure(mask, certain(mask), None, calibration=AS_IS)
    having = measure(mask, certain(mask), (0.5, 0.8), calibration=AS_IS)

    assert (without.liver_area_mm2, without.tumor_area_mm2, without.calibrated) == (None, None, False)
    assert (having.liver_area_mm2, having.tumor_area_mm2, having.calibrated) == (6000.0, 40.0, True)
    assert (without.stage_rule, having.stage_rule) == ("bbox-128", "size-mm-1")


def test_without_tumor_there_is_no_stage() -> None:
    result = measure(draw(), certain(draw()), (1.0, 1.0), calibration=AS_IS)

    assert (result.tumor_detected, result.stage, result.affected_percent, result.lesions) == (False, None, 0.0, ())


def test_without_liver_there_is_no_percentage() -> None:
    empty = np.zeros(SHAPE, np.uint8)

    result = measure(empty, certain(empty), None, calibration=AS_IS)

    assert (result.affected_percent, result.warnings) == (None, ("no_liver",))


def test_a_result_is_json_without_nan() -> None:
    mask = draw(box(30, 40, 10, 10), box(60, 60, 5, 9))

    content = measure(mask, certain(mask), (0.7, 0.7), calibration=AS_IS).to_dict()

    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["lesion_count"] == len(content["lesions"]) == 2
    assert content["lesions"][0]["bbox"] == [30, 40, 10, 10]
    assert content["scope"] == "slice"


@pytest.mark.parametrize("brightness", [0.0, 0.2, 0.5, 0.97, 1.0])
def test_confidence_is_the_brightness_until_calibrated(brightness: float) -> None:
    confidence = slice_confidence(np.full((4, 4), brightness, np.float32), AS_IS)

    assert confidence == pytest.approx(brightness, abs=PROBABILITY_FLOOR)


@pytest.mark.parametrize("calibration", [(1000.0, 0.0), (-1000.0, 5.0), (0.0, 900.0)])
def test_confidence_stays_a_probability_whatever_the_calibration(calibration: tuple[float, float]) -> None:
    assert 0.0 <= slice_confidence(np.full((4, 4), 0.01, np.float32), calibration) <= 1.0


def test_lines_of_one_pixel_do_not_break_the_hull() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    cv2.line(mask, (30, 40), (90, 100), TUMOR, 1)

    (lesion,) = find_lesions(mask, certain(mask), None)

    assert lesion.longest_diameter_px == pytest.approx(61 * math.sqrt(2), abs=0.01)


def test_doubt_is_nought_where_the_network_is_sure_and_one_where_all_is_as_likely() -> None:
    background, liver, tumor, any_of_three, edge = (0, 0), (1, 0), (1, 1), (2 / 3, 1 / 3), (0.5, 0)
    both = np.array([background, liver, tumor, any_of_three, edge], np.float32).T[..., None]

    doubt = class_entropy(both)[:, 0]

    assert doubt == pytest.approx([0, 0, 0, 1, math.log(2) / math.log(3)], abs=1e-3)


def test_doubt_is_a_share_for_any_probabilities() -> None:
    both = np.random.default_rng(2).random((2, 50, 50)).astype(np.float32)

    doubt = class_entropy(both)

    assert (doubt.shape, doubt.dtype) == ((50, 50), np.float32)
    assert 0 <= doubt.min() <= doubt.max() <= 1


@pytest.mark.parametrize("bright_count", [0, 5, 5000], ids=["none", "few", "many"])
def test_only_the_brightest_pixels_make_the_confidence(bright_count: int) -> None:
    values = np.zeros(200 * 200, np.float32)
    values[:bright_count] = np.random.default_rng(1).random(bright_count)

    count = round(BRIGHTEST_SHARE * values.size)
    plainly = np.clip(np.sort(values.astype(np.float64))[-count:], PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)

    assert brightest_logit(values.reshape(200, 200)) == pytest.approx(np.log(plainly / (1 - plainly)).mean())
