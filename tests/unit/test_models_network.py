"""The networks and their training, where torch is installed; nothing that serves needs it."""

import json
import math
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models import checkpoint  # noqa: E402
from models.dataset import Slices  # noqa: E402
from models.losses import (  # noqa: E402
    LIVER_CHANNEL,
    TUMOR_CHANNEL,
    dice_loss,
    liver_tumor_loss,
    soft_dice,
    soft_tversky,
    verdict_loss,
)
from models.recipes import RECIPES  # noqa: E402
from models.residual_unet import ResidualUNet  # noqa: E402
from models.start import begun_from, starting_weights  # noqa: E402
from models.train import EMA_DECAY, learning_rate, running_average  # noqa: E402
from models.unet import ancestor_network  # noqa: E402
from models.unfold import unfold  # noqa: E402
from models.widen import widen  # noqa: E402

# Of the ancestor's own listing.
ANCESTOR_PARAMETERS = 7_759_521


def test_the_ancestors_network_has_its_number_of_parameters() -> None:
    network = ancestor_network()

    assert sum(parameter.numel() for parameter in network.parameters()) == ANCESTOR_PARAMETERS
    assert network(torch.zeros(1, 1, 128, 128)).shape == (1, 1, 128, 128)


def test_the_ancestors_second_convolutions_are_undilated_in_levels_5_6_7_and_9() -> None:
    network = ancestor_network()
    levels = [*network.down, *network.up]
    dilations = [[m.dilation[0] for m in level if isinstance(m, torch.nn.Conv2d)] for level in levels]

    assert dilations == [[2, 2], [2, 2], [2, 2], [2, 2], [2, 1], [2, 1], [2, 1], [2, 2], [2, 1]]


def test_the_ancestors_network_begins_as_in_its_own_framework() -> None:
    torch.manual_seed(1)
    first = ancestor_network().down[1][0]

    assert not first.bias.any()
    # Glorot's bound, of 32 channels in, 64 out and nine weights each.
    assert 0.95 < first.weight.abs().max() / math.sqrt(6 / (9 * (32 + 64))) <= 1


@pytest.mark.parametrize("recipe", ["residual", "dilated"])
@pytest.mark.parametrize("side", [64, 160])
def test_our_networks_give_liver_and_tumor_on_their_own_grid(recipe: str, side: int) -> None:
    assert RECIPES[recipe].build(4)(torch.zeros(2, 1, side, side)).shape == (2, 2, side, side)


@pytest.mark.parametrize("agreement", [soft_dice, soft_tversky])
def test_the_loss_falls_with_the_error(agreement: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    truth = torch.zeros(2, 2, 32, 32)
    truth[0, :, 8:20, 8:20] = 1
    answers = [(2 * truth - 1) * certainty for certainty in (-5.0, 0.0, 1.0, 8.0)]
    losses = [liver_tumor_loss(answer, truth, agreement).item() for answer in answers]

    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.05


def test_tversky_minds_what_is_missed_more_than_what_is_invented() -> None:
    truth, less, more = (torch.zeros(1, 1, 64, 64) for _ in range(3))
    truth[..., 10:30, 10:30] = 1
    less[..., 10:30, 15:30] = 1  # 100 px missed
    more[..., 10:30, 5:30] = 1  # 100 px invented

    assert soft_tversky(less, truth) < soft_tversky(more, truth) < soft_tversky(truth, truth)
    assert soft_dice(less, truth) < soft_dice(more, truth)
    assert soft_tversky(less, truth) < soft_dice(less, truth)


def test_the_ancestors_loss_looks_at_one_channel_alone() -> None:
    truth = torch.zeros(2, 2, 32, 32)
    truth[:, 0] = 1
    truth[0, 1, 8:20, 8:20] = 1

    assert dice_loss(8 * (2 * truth[:, 1:] - 1), truth, channel=TUMOR_CHANNEL) < 0.05
    assert dice_loss(-8 * (2 * truth[:, 1:] - 1), truth, channel=TUMOR_CHANNEL) > 0.5
    assert dice_loss(8 * (2 * truth[:, :1] - 1), truth, channel=LIVER_CHANNEL) < 0.05


def test_marking_nothing_does_not_pay_by_the_ancestors_loss() -> None:
    truth = torch.zeros(8, 2, 128, 128)
    truth[:4, 1, 8:18, 8:18] = 1
    nothing, everything = torch.full((8, 1, 128, 128), -20.0), torch.full((8, 1, 128, 128), 20.0)

    losses = [dice_loss(answer, truth, channel=TUMOR_CHANNEL) for answer in (nothing, everything)]

    assert losses[0] > losses[1]


def test_a_slice_is_called_by_its_brightest_pixels() -> None:
    logits = torch.full((2, 32, 32), -6.0)
    logits[0, :4, :4] = 6
    truth = torch.zeros(2, 32, 32)
    truth[0, 10, 10] = 1

    assert verdict_loss(logits, truth) < 0.01
    assert verdict_loss(logits.flip(0), truth) > 5


def test_the_dice_of_an_empty_batch_that_is_found_empty_is_one() -> None:
    assert torch.allclose(soft_dice(torch.zeros(2, 2, 8, 8), torch.zeros(2, 2, 8, 8)), torch.ones(2))


def test_the_learning_rate_rises_shortly_and_ends_at_nought() -> None:
    recipe = RECIPES["residual"]
    rates = [learning_rate(recipe, recipe.learning_rate, share / 200) for share in range(201)]

    assert max(rates) <= recipe.learning_rate
    assert rates[0] < recipe.learning_rate / 10
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert learning_rate(recipe, recipe.learning_rate, 5.0) == pytest.approx(0, abs=1e-9)


def test_the_running_average_forgets_its_beginning() -> None:
    average = torch.zeros(3)
    for count in range(1, 100):
        average = running_average(average, torch.ones(3), count)

    assert average.min() > 0.999
    assert running_average(torch.zeros(1), torch.ones(1), 10**6).item() == pytest.approx(1 - EMA_DECAY, rel=1e-3)


def test_a_checkpoint_comes_back_and_another_network_is_refused(tmp_path: Path) -> None:
    network = ResidualUNet(width=4)
    progress = checkpoint.Progress(steps=7, elapsed_s=3.0, history=[{"liver_dice": np.float64(0.5)}])
    config = {"recipe": "residual", "width": 4, "side": 64}
    checkpoint.save(tmp_path / "last.pt", parts={"network": network}, progress=progress, config=config)
    other = ResidualUNet(width=4)

    found = checkpoint.load(tmp_path / "last.pt", parts={"network": other}, config=config)

    assert found == progress
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]
    with pytest.raises(ValueError, match="width=4"):
        checkpoint.load(tmp_path / "last.pt", parts={"network": other}, config=config | {"width": 8})


def test_a_widened_network_computes_what_the_narrow_one_did() -> None:
    torch.manual_seed(5)
    narrow, wide = ResidualUNet(width=4), ResidualUNet(width=8)
    slices = torch.rand(3, 1, 64, 64)
    for _ in range(3):
        narrow(slices)  # moves the means and variances from where they begin
    wide.load_state_dict(widen(narrow.state_dict(), wide.state_dict(), noise_share=0))

    assert torch.allclose(wide.eval()(slices), narrow.eval()(slices), atol=1e-4)


def test_copies_of_a_channel_are_set_apart() -> None:
    narrow, wide = ResidualUNet(width=4), ResidualUNet(width=8)

    weight = widen(narrow.state_dict(), wide.state_dict())["down.1.body.0.weight"]

    assert weight.shape == wide.down[1].body[0].weight.shape
    assert not torch.equal(weight[0], weight[1])


def test_an_exported_network_gives_what_pytorch_gives(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    import onnxruntime

    from models.export import PARITY_TOLERANCE, Probabilities, write_onnx

    torch.manual_seed(3)
    network = Probabilities(ResidualUNet(width=4)).eval()
    digest = write_onnx(network, 64, tmp_path / "n.onnx")
    slices = np.random.default_rng(1).random((5, 1, 64, 64)).astype(np.float32)

    found = onnxruntime.InferenceSession(str(tmp_path / "n.onnx")).run(None, {"slices": slices})[0]

    with torch.inference_mode():
        assert np.abs(found - network(torch.from_numpy(slices)).numpy()).max() <= PARITY_TOLERANCE
    assert len(digest) == 64


def test_an_exported_network_can_be_trained_on(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from models.export import Probabilities, write_onnx

    torch.manual_seed(7)
    trained = ResidualUNet(width=4)
    slices = torch.rand(6, 1, 64, 64)
    for _ in range(3):
        trained(slices)  # moves the means and variances from where they begin
    write_onnx(Probabilities(trained).eval(), 64, tmp_path / "liver_tumor.onnx")
    facts = {"architecture": {"width": 4}, "training": {"minutes": 3.04, "steps": 5, "batch": 2, "begun_from": []}}
    (tmp_path / "liver_tumor.json").write_text(json.dumps(facts))
    seen = Slices([], (255 * slices[:, 0]).to(torch.uint8).numpy(), np.empty(0, np.uint8))

    network = ResidualUNet(width=4)
    network.load_state_dict(starting_weights(tmp_path / "liver_tumor.onnx", RECIPES["residual"], seen))

    assert torch.allclose(network.eval()(slices), trained.eval()(slices), atol=1e-4)
    # What comes to a BatchNorm is what it expects: training does not begin with a jump.
    means = network.down[0].body[0](network.stem(torch.from_numpy(seen.images[:, None].astype(np.float32) / 255)))
    assert torch.allclose(network.down[0].body[1].running_mean, means.mean((0, 2, 3)), atol=1e-5)
    assert begun_from(tmp_path / "liver_tumor.onnx") == [{"width": 4, "minutes": 3.0, "slices": 10}]


def test_another_network_is_no_beginning(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from models.export import Probabilities, write_onnx

    narrow = ResidualUNet(width=4)
    narrow(torch.rand(2, 1, 64, 64))  # else equal weights are stored once
    write_onnx(Probabilities(narrow).eval(), 64, tmp_path / "n.onnx")

    with pytest.raises(ValueError, match="another network"):
        unfold(tmp_path / "n.onnx", ResidualUNet(width=8), torch.rand(1, 1, 64, 64))


def test_facts_are_json() -> None:
    from datetime import date

    from models.facts import make_facts

    run = {
        "config": {
            "side": 64,
            "width": 4,
            "minutes": 1,
            "batch": 2,
            "seed": 1,
            "phantom_share": 0.05,
            "begun_from": [],
        },
        "progress": {"elapsed_s": 60.0, "steps": 3},
        "title": "a network",
        "parameters": 7,
        "channels": 2,
    }
    facts = make_facts("0" * 64, run, version="1", created=date(2026, 1, 2), opset=17, file="n.onnx")

    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert math.isclose(facts["training"]["minutes"], 1.0)


@pytest.mark.parametrize("recipe", RECIPES)
def test_training_ends_with_its_minutes_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    import cv2

    from models import train
    from models.phantom import draw_phantom

    lines = ["split,scan,person_group,slice,liver_px,tumor_px,tumor_lost_in_resize"]
    for index, split in enumerate(("train", "train", "val", "val")):
        phantom = draw_phantom(index, side=96, lesion_count=index % 2)
        (tmp_path / split / "s").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / split / "s" / f"n{index}.png"), phantom.pixels)
        cv2.imwrite(str(tmp_path / split / "s" / f"n{index}_mask.png"), phantom.mask)
        lines.append(f"{split},s,P,n{index},100,{index % 2 * 10},0")
    (tmp_path / "slices.csv").write_text("\n".join(lines) + "\n")
    command = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--recipe", recipe, "--width", "2"]
    command += ["--side", "32", "--batch", "2", "--device", "cpu", "--threads", "1", "--minutes"]

    monkeypatch.setattr(train, "VALIDATION_STRIDE", 1)
    monkeypatch.setattr("sys.argv", [*command, "0.001"])
    train.main()
    first = checkpoint.read(tmp_path / "run" / "last.pt")["progress"]
    monkeypatch.setattr("sys.argv", [*command, "0.02"])
    train.main()
    second = checkpoint.read(tmp_path / "run" / "last.pt")["progress"]
    monkeypatch.setattr("sys.argv", [*command, "60"])
    asked_to_stop = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    asked_to_stop.start()
    train.main()
    third = checkpoint.read(tmp_path / "run" / "last.pt")["progress"]

    assert second["steps"] > first["steps"] > 0
    assert second["history"][0] == first["history"][0]
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2
    assert third["steps"] > second["steps"]
