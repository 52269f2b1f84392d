"""Export a trained network to ONNX with its contract, after proving that both give the same.

    python -m models.export --run models/runs/default --data ../shared/data/msd_liver --version 1

Settings are chosen on the validation slices, and the contract's figures are measured on them.
"""

import argparse
import hashlib
import json
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from models.checkpoint import read
from models.choose import choose_settings
from models.contract import CONTRACT_NAME, Contract
from models.cost import cost_ms
from models.dataset import read_infos, read_pair
from models.evaluate import evaluate, summary
from models.facts import make_facts
from models.phantom import draw_phantom
from models.predictions import predict_split
from models.preprocess import preprocess
from models.quantise import quantise
from models.recipes import RECIPES
from models.segmenter import Segmenter

NETWORK_NAME = "liver_tumor.onnx"
INTEGER_NAME = "liver_tumor.int8.onnx"
# Integers are shipped where they cost no more than this on the validation slices.
ALLOWED_FALL = {"tumor_dice_global": 0.005, "slice_auc": 0.003}
SHOWN = ("liver_dice_global", "tumor_dice_global", "tumor_dice_per_scan", "slice_auc")
# What stays in float, tried in this order: nothing, the ends, then the ends and the level of the finest grid.
LEFT_IN_FLOAT = (
    (),
    ("/network/head", "/network/to_pixels", "/network/stem"),
    ("/network/head", "/network/to_pixels", "/network/stem", "/network/up.3", "/network/down.0"),
)
OPSET = 17
# Both compute in float32, in another order; beyond this they would be different networks.
PARITY_TOLERANCE = 1e-4
PARITY_INPUTS = 8


class Probabilities(nn.Module):
    """A network with the sigmoid that serving would otherwise have to know of."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> Tensor:
        """Return (B, 2, S, S) probabilities of (B, 1, S, S) slices."""
        return torch.sigmoid(self.network(slices))


def load_run(run: Path, *, average: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network of a run's last checkpoint, or its running average, and what is known of the run."""
    stored = read(run / "last.pt")
    recipe = RECIPES[stored["config"]["recipe"]]
    network = recipe.build(stored["config"]["width"])
    part: nn.Module = AveragedModel(network, use_buffers=True) if average else network
    part.load_state_dict(stored["states"]["average" if average else "network"])
    return Probabilities(part.module if isinstance(part, AveragedModel) else part).eval(), {
        "config": stored["config"],
        "progress": stored["progress"],
        "title": recipe.title,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "channels": network.head.out_channels,
    }


def write_onnx(network: nn.Module, side: int, path: Path) -> str:
    """Write a network as ONNX; return the file's SHA-256."""
    with warnings.catch_warnings():
        # The exporter by tracing is named legacy; the other needs a package more and gives the same graph here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 1, side, side),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["slices"],
            output_names=["probabilities"],
            dynamic_axes={"slices": {0: "batch"}, "probabilities": {0: "batch"}},
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_parity(network: nn.Module, segmenter: Segmenter, root: Path) -> float:
    """Return the largest difference between PyTorch and ONNX on real slices and phantoms.

    Raises:
        ValueError: it is beyond the tolerance.
    """
    side = segmenter.contract.side
    infos = read_infos(root, "val")
    step = len(infos) // PARITY_INPUTS
    pictures = [read_pair(root, "val", info)[0] for info in infos[::step]]
    pictures += [draw_phantom(seed).pixels for seed in range(PARITY_INPUTS)]
    batch = np.stack([preprocess(picture, side) for picture in pictures])
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch)).numpy()
    difference = float(np.abs(segmenter.predict(batch) - expected).max())
    if difference > PARITY_TOLERANCE:
        raise ValueError(f"ONNX and PyTorch differ by {difference:.2e}, more than {PARITY_TOLERANCE}.")
    return difference


def write_contract(folder: Path, facts: dict[str, Any], contract: Contract | None = None) -> None:
    """Write the contract's JSON, with the settings of `contract` in place of those in `facts`."""
    if contract is not None:
        facts |= {
            "thresholds": contract.thresholds._asdict(),
            "min_lesion_share": contract.min_lesion_share,
            "calibration": facts["calibration"] | dict(zip(("slope", "offset"), contract.calibration, strict=True)),
        }
    (folder / CONTRACT_NAME).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def measure(out: Path, data: Path, *, every: int, threads: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the validation report of the network the contract names, and its row in the table of precisions."""
    segmenter = Segmenter(out, threads=threads)
    _, report = evaluate(predict_split(data, "val", segmenter, every=every), segmenter.contract, split="val")
    row = {name: report["figures"][name]["value"] for name in SHOWN if name in report["figures"]}
    return report, row | {"megabytes": round(segmenter.contract.path.stat().st_size / 2**20, 2)} | cost_ms(segmenter)


def passes(row: dict[str, Any], of_float: dict[str, Any]) -> bool:
    """Tell whether a network in integers is close enough to the one in float."""
    return all(of_float[name] - row[name] <= allowed for name, allowed in ALLOWED_FALL.items())


def main() -> None:
    """Export, prove, choose, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--data", type=Path, required=True, help="folder with the splits and slices.csv")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--version", default="1")
    parser.add_argument("--every", type=int, default=1, help="choose and measure on one slice in so many")
    parser.add_argument("--weights", choices=("average", "last"), default="average")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)

    # 1. The graph, and a contract with provisional settings.
    network, run = load_run(args.run, average=args.weights == "average")
    digest = write_onnx(network, run["config"]["side"], args.out / NETWORK_NAME)
    facts = make_facts(digest, run, version=args.version, created=date.today(), opset=OPSET, file=NETWORK_NAME)
    facts["training"]["weights"] = args.weights
    facts["float32"] = {"file": NETWORK_NAME, "sha256": digest}
    write_contract(args.out, facts)
    in_float = Segmenter(args.out, threads=args.threads)
    facts["parity"] = {"largest_difference": check_parity(network, in_float, args.data), "allowed": PARITY_TOLERANCE}

    # 2. Settings from validation.
    predictions = list(predict_split(args.data, "val", in_float, every=args.every))
    chosen, tried = choose_settings(predictions, in_float.contract)
    facts["settings_tried"] = sorted(tried, key=lambda row: -row["score"])[:5]
    write_contract(args.out, facts, chosen)

    # 3. Integers, if they cost next to nothing; else with more and more of the network left in float.
    report, of_float = measure(args.out, args.data, every=args.every, threads=args.threads)
    facts["precision"] = {"allowed_fall": ALLOWED_FALL, "tried": [{"name": "float32"} | of_float]}
    for left in LEFT_IN_FLOAT:
        quantise(in_float.contract, args.data, args.out / INTEGER_NAME, in_float=left)
        digest = hashlib.sha256((args.out / INTEGER_NAME).read_bytes()).hexdigest()
        in_integers = facts | {"file": INTEGER_NAME, "sha256": digest}
        write_contract(args.out, in_integers, chosen)
        other, row = measure(args.out, args.data, every=args.every, threads=args.threads)
        facts["precision"]["tried"].append({"name": "int8", "left_in_float": left} | row)
        if passes(row, of_float):
            facts, report = facts | {"file": INTEGER_NAME, "sha256": digest}, other
            break
    else:
        (args.out / INTEGER_NAME).unlink()

    # 4. The figures of what runs.
    facts["metrics"] = {"val": {name: report[name] for name in ("slices", "scans", "persons", "figures", "confusion")}}
    facts["metrics"]["val"]["lesions"] = {k: v for k, v in report["lesions"].items() if k != "froc"}
    write_contract(args.out, facts, chosen)
    print(summary(report))
    print(json.dumps(facts["precision"], indent=1))


if __name__ == "__main__":
    main()
