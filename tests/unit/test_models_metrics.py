"""Measures with known answers, and the report made of compared slices."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import models
from models import ablation
from models.choose import choose_settings, find_candidates, judge
from models.comparison import Comparison, LesionCount, count_lesions
from models.dataset import augment, load_slices, read_infos, sampling_weights, targets
from models.evaluate import evaluate, summary
from models.metrics import (
    calibration_curve,
    expected_calibration_error,
    fit_platt,
    rank_auc,
    roc_curve,
    sensitivity_at,
    with_interval,
)
from models.phantom import draw_phantom
from models.predictions import predict_split
from models.prepare import prepare
from models.report import make_report, segmentation_measures
from models.segmenter import Segmenter

YES_NO = np.array([True, True, False, False])


@pytest.mark.parametrize(
    ("scores", "auc"),
    [([4, 3, 2, 1], 1.0), ([1, 2, 3, 4], 0.0), ([1, 1, 1, 1], 0.5), ([3, 1, 2, 0], 0.75), ([2, 1, 2, 1], 0.5)],
)
def test_auc_counts_pairs_in_order_and_ties_half(scores: list[float], auc: float) -> None:
    assert rank_auc(np.array(scores, float), YES_NO) == auc


def test_auc_of_one_class_is_not_defined() -> None:
    assert np.isnan(rank_auc(np.arange(3.0), np.ones(3, bool)))


def test_the_area_under_the_roc_curve_is_the_auc() -> None:
    random = np.random.default_rng(1)
    positive = random.random(500) < 0.3
    scores = np.round(random.normal(positive, 1), 1)

    false, true = roc_curve(scores, positive)

    assert np.trapezoid(true, false) == pytest.approx(rank_auc(scores, positive))
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)


def test_sensitivity_is_read_where_specificity_still_holds() -> None:
    positive = np.array([True] * 10 + [False] * 10)
    scores = np.array([20, 19, 18, 17, 16, 15, 5, 4, 3, 2, 15.5, 10, 1, 1, 1, 1, 1, 1, 1, 1])

    assert sensitivity_at(scores, positive, 0.9) == pytest.approx(0.6)
    assert sensitivity_at(scores, positive, 1.0) == pytest.approx(0.5)


def test_calibration_error_of_honest_probabilities_is_small_and_of_boasts_large() -> None:
    random = np.random.default_rng(1)
    said = random.random(20_000)
    so = random.random(20_000) < said

    assert expected_calibration_error(said, so) < 0.02
    assert expected_calibration_error(np.full(100, 0.9), np.arange(100) < 50) == pytest.approx(0.4)
    assert sum(row["share"] for row in calibration_curve(said, so)) == pytest.approx(1)


def test_platt_scaling_finds_the_slope_and_offset_it_was_made_with() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 3, 50_000)
    positive = random.random(50_000) < 1 / (1 + np.exp(-(0.7 * logits - 0.4)))

    assert fit_platt(logits, positive) == pytest.approx((0.7, -0.4), abs=0.03)


def test_platt_scaling_ends_where_classes_are_apart() -> None:
    slope, offset = fit_platt(np.array([-13.0, -13.0, 5.0, 6.0]), np.array([False, False, True, True]))

    assert slope > 0
    assert np.isfinite([slope, offset]).all()


def test_intervals_are_by_person() -> None:
    # One person of 99 slices, all right, and one of a single slice, wrong: drawn by slice this would look certain.
    right = np.array([1.0] * 99 + [0.0])

    found = with_interval(lambda i: float(right[i].mean()), ["a"] * 99 + ["b"])

    assert found == {"value": 0.99, "low": 0.0, "high": 1.0}


def test_an_undefined_measure_is_none() -> None:
    assert with_interval(lambda i: float("nan"), ["a", "b"])["value"] is None


def spots(*boxes: tuple[int, int, int]) -> np.ndarray:
    region = np.zeros((60, 60), bool)
    for x, y, side in boxes:
        region[y : y + side, x : x + side] = True
    return region


def test_lesions_are_found_by_the_share_marked() -> None:
    truth = spots((5, 5, 10), (30, 30, 4), (50, 50, 2))
    marked = spots((5, 5, 5), (30, 30, 1), (20, 50, 3))

    count = count_lesions(truth, marked)

    assert dict(zip(count.sizes_px, count.found, strict=True)) == {100: True, 16: False, 4: False}
    assert count.false_positives == 1


def test_nothing_found_in_nothing_is_no_fault() -> None:
    assert count_lesions(spots(), spots()) == LesionCount((), (), 0)


def test_candidates_have_their_overlap_and_peak() -> None:
    tumor = np.where(spots((5, 5, 10), (30, 30, 4)), np.float32(0.5), np.float32(0.25))
    tumor[7, 7] = 0.75

    found = find_candidates(tumor, 0.5, spots((5, 5, 3), (50, 50, 5)))

    assert list(zip(found.sizes, found.overlaps, found.peaks, strict=True)) == [(100, 9, 0.75), (16, 0, 0.5)]


def test_settings_are_judged_by_slices_and_scans() -> None:
    scans, true = np.array([0, 0, 1, 1]), np.array([10, 0, 30, 0])

    row = judge(scans, true, found=np.array([10, 5, 10, 0]), both=np.array([10, 0, 10, 0]))

    assert row["tumor_dice_global"] == pytest.approx(2 * 20 / 65, abs=1e-4)
    assert row["tumor_dice_per_scan"] == pytest.approx((20 / 25 + 20 / 40) / 2, abs=1e-4)
    assert (row["sensitivity"], row["specificity"]) == (1.0, 0.5)


def perfect(scan: str, name: str, tumor_px: int) -> Comparison:
    lesions = LesionCount((tumor_px,), (True,), 0) if tumor_px else LesionCount((), (), 0)
    return Comparison(
        scan=scan, person=scan, name=name, liver_true=900, liver_found=900, liver_both=900, tumor_true=tumor_px,
        tumor_found=tumor_px, tumor_both=tumor_px, pixels=5000, pixels_right=5000, confidence=float(tumor_px > 0),
        lesions=lesions, sweep=(lesions,) * 10,
    )  # fmt: skip


def test_the_report_of_perfect_results_is_perfect() -> None:
    rows = [perfect(f"s{i % 3}", f"n{i}", tumor_px=(i % 2) * 150 * (1 + i)) for i in range(12)]

    report = make_report(rows)

    values = {name: figure["value"] for name, figure in report["figures"].items()}
    assert values.pop("calibration_error") == 0
    assert set(values.values()) == {1.0}
    assert report["confusion"] == {"true_positive": 6, "false_negative": 0, "false_positive": 0, "true_negative": 6}
    assert report["lesions"]["recall_100_to_500_at_half_a_false_positive"] == 1.0
    assert report["affected_percent"]["mean_error"] == 0
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_report_counts_what_was_missed() -> None:
    rows = [perfect("a", "1", 200), perfect("b", "2", 0)]
    missed = replace(rows[0], tumor_found=0, tumor_both=0, lesions=LesionCount((200,), (False,), 2))

    report = make_report([missed, rows[1]])

    assert report["confusion"]["false_negative"] == 1
    assert report["figures"]["tumor_dice_global"]["value"] == 0
    assert report["lesions"]["recall"]["100_to_500"] == {"lesions": 1, "found": 0, "recall": 0.0}
    assert report["lesions"]["false_positives_per_slice"] == 1.0


def test_a_network_that_knows_no_liver_is_not_judged_on_it() -> None:
    report = make_report([perfect("a", "1", 200), perfect("b", "2", 0)], liver=False)

    assert not [name for name in report["figures"] if name.startswith("liver") or name == "pixel_accuracy"]
    assert report["figures"]["tumor_pixel_accuracy"]["value"] == 1
    assert report["per_scan"][0]["liver_dice"] is None
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_worst_slices_are_of_different_scans() -> None:
    pytest.importorskip("matplotlib")
    from models.failures import pick_failures

    good, small = perfect("a", "1", 300), replace(perfect("a", "2", 50), tumor_found=0, tumor_both=0)
    poor = replace(perfect("e", "1", 300), tumor_both=100)
    bad = replace(perfect("b", "1", 300), tumor_found=500, tumor_both=10)
    missed = replace(perfect("b", "2", 200), tumor_found=0, tumor_both=0)
    speck, blot = (replace(perfect("c", str(px), 0), tumor_found=px) for px in (5, 90))

    worse = replace(bad, name="3", tumor_both=5)
    failures = pick_failures([good, small, poor, bad, worse, missed, speck, blot, perfect("d", "1", 0)])

    assert failures.missed == [missed, poor, good]
    assert failures.imagined == [blot]


@pytest.fixture(scope="module")
def phantom_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms laid out as the real data is: three scans of four slices in val."""
    root = tmp_path_factory.mktemp("data")
    lines = ["split,scan,person_group,slice,liver_px,tumor_px,tumor_lost_in_resize", "val,s0,P0,lost,9,0,1"]
    for index in range(12):
        phantom = draw_phantom(index, side=224, lesion_count=index % 2 * 2)
        scan = f"s{index % 3}"
        (root / "val" / scan).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "val" / scan / f"n{index}.png"), phantom.pixels)
        cv2.imwrite(str(root / "val" / scan / f"n{index}_mask.png"), phantom.mask)
        counts = (phantom.mask > 0).sum(), (phantom.mask == 255).sum()
        lines.append(f"val,{scan},P{index % 3},n{index},{counts[0]},{counts[1]},0")
    (root / "slices.csv").write_text("\n".join(lines) + "\n")
    return root


def test_slices_whose_tumor_was_lost_are_left_out(phantom_data: Path) -> None:
    assert len(read_infos(phantom_data, "val")) == 12


def test_a_small_copy_is_read_as_the_data_is(phantom_data: Path, tmp_path: Path) -> None:
    written = prepare(phantom_data, tmp_path, 96)

    there, here = load_slices(phantom_data, "val", 96), load_slices(tmp_path, "val", 96)

    assert here.infos == there.infos
    assert np.array_equal(here.masks, there.masks)
    # Each slice is stretched anew when it is read, so WebP may move the grey of all of it a little.
    assert np.abs(here.images.astype(int) - there.images).mean() < 6
    assert written < sum(path.stat().st_size for path in phantom_data.rglob("*.png"))


def test_evaluation_and_choice_go_through_what_serves(phantom_data: Path) -> None:
    segmenter = Segmenter(Path(models.__path__[0]))

    predictions = list(predict_split(phantom_data, "val", segmenter))
    rows, report = evaluate(predictions, segmenter.contract, split="val")
    chosen, tried = choose_settings(predictions, segmenter.contract)

    assert len(rows) == report["slices"] == 12
    assert report["sha256"] == segmenter.contract.sha256
    assert "tumor_dice_global" in summary(report)
    assert max(row["score"] for row in tried) == next(
        row["score"] for row in tried
        if (row["threshold"], row["peak"]) == chosen.thresholds[1:]
        and row["smallest_px"] == round(chosen.min_lesion_share * 224**2)
    )  # fmt: skip


def test_without_a_part_of_the_postprocessing_its_worth_shows(
    phantom_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "ablation.json"
    monkeypatch.setattr("sys.argv", ["ablation", "--data", str(phantom_data), "--out", str(out)])

    ablation.main()

    whole, *others = json.loads(out.read_text())["rows"]
    assert whole["name"] == "as it runs"
    assert whole["tumor_dice_global"] > 0.3
    assert len({json.dumps(row) for row in (whole, *others)}) == 6


def test_a_slice_moved_there_and_back_is_found_where_it_was(phantom_data: Path) -> None:
    segmenter = Segmenter(Path(models.__path__[0]))
    predictions = list(predict_split(phantom_data, "val", segmenter))

    for before, after in zip(predictions, ablation.shifted(predictions, segmenter), strict=True):
        assert after.probabilities.shape == before.probabilities.shape
        assert np.abs(after.probabilities[0] - before.probabilities[0]).mean() < 0.02


def test_the_worst_slices_are_drawn_small(phantom_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from models.failures import draw_failures, pick_failures

    segmenter = Segmenter(Path(models.__path__[0]))
    rows, _ = evaluate(predict_split(phantom_data, "val", segmenter), segmenter.contract, split="val")

    draw_failures(pick_failures(rows), phantom_data, "val", segmenter, tmp_path)

    picture = cv2.imread(str(tmp_path / "val-failures.png"))
    assert picture.shape[1] > 1000
    # Only the outlines have colour; the slices and the words do not.
    assert (np.ptp(picture.astype(int), axis=2) > 60).sum() > 50
    assert (tmp_path / "val-failures.png").stat().st_size < 400_000


def test_every_person_and_both_kinds_of_slices_come_up(phantom_data: Path) -> None:
    infos = read_infos(phantom_data, "val")

    weights = sampling_weights(infos)

    assert weights.sum() == pytest.approx(1)
    assert weights[[info.tumor_px > 0 for info in infos]].sum() == pytest.approx(0.6, abs=0.05)


def test_augmentation_moves_picture_and_mask_alike() -> None:
    mask = np.zeros((96, 96), np.uint8)
    mask[30:60, 20:50] = 255

    picture, moved = augment(mask.copy(), mask, np.random.default_rng(4))

    assert picture.shape == moved.shape == (96, 96)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert (picture[moved == 255].mean() - picture[moved == 0].mean()) > 0.4
    assert targets(moved).shape == (2, 96, 96)


def test_dice_per_scan_weighs_a_scan_drawn_twice_double() -> None:
    rows = [perfect("a", "1", 100), perfect("b", "2", 100)]
    rows[1] = replace(rows[1], tumor_found=0, tumor_both=0)

    measure = segmentation_measures(rows, ("tumor",))["tumor_dice_per_scan"]

    assert measure(np.array([0, 1])) == 0.5
    assert measure(np.array([0, 0, 1])) == pytest.approx(2 / 3)
