"""Evaluate the shipped network through the code that serves: NumPy and onnxruntime alone.

    python -m models.evaluate --data ../shared/data/msd_liver --split val --out evaluation

Writes <split>.json and, where Matplotlib is installed, the plots. The test split is for the final file, once.
"""

import argparse
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from models.comparison import Comparison, compare, sweep_thresholds
from models.contract import Contract
from models.pipeline import interpret
from models.postprocess import TUMOR
from models.predictions import Prediction, predict_split
from models.report import make_report
from models.segmenter import Segmenter


def compare_prediction(prediction: Prediction, contract: Contract) -> Comparison:
    """Interpret one prediction as serving does and compare it with the expert's mask."""
    info, truth = prediction.info, prediction.truth
    if not contract.knows_liver:
        truth = np.where(truth == TUMOR, truth, 0)
    result = interpret(prediction.scan, prediction.probabilities, contract)
    return compare(
        (info.scan, info.person, info.name),
        truth,
        result.mask,
        measurement=result.measurement,
        sweep=sweep_thresholds(result.tumor_probability, truth, contract),
    )


def evaluate(
    predictions: Iterable[Prediction], contract: Contract, *, split: str
) -> tuple[list[Comparison], dict[str, Any]]:
    """Return every slice of a split compared, and the report made of them."""
    rows = [compare_prediction(prediction, contract) for prediction in predictions]
    heading = {"split": split, "model": contract.name, "version": contract.version, "sha256": contract.sha256}
    return rows, heading | make_report(rows, liver=contract.knows_liver)


def summary(report: dict[str, Any]) -> str:
    """Return the main figures as lines of text."""
    lines = [f"{report['split']}: {report['slices']} slices, {report['scans']} scans, {report['persons']} persons"]
    for name, figure in report["figures"].items():
        if figure["value"] is not None:
            lines.append(f"  {name:32} {figure['value']:.3f}  ({figure['low']:.3f} to {figure['high']:.3f})")
    lesions = report["lesions"]
    for name, row in lesions["recall"].items():
        lines.append(f"  lesions {name:24} {row['found']} of {row['lesions']}")
    lines.append(f"  false positives per slice        {lesions['false_positives_per_slice']}")
    return "\n".join(lines)


def main() -> None:
    """Evaluate, print the main figures, write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the splits and slices.csv")
    parser.add_argument("--split", choices=("train", "val", "test"), default="val")
    parser.add_argument("--out", type=Path, default=Path("models/runs/evaluation"))
    parser.add_argument("--model", type=Path, default=Path(__file__).parent, help="folder of the network and contract")
    parser.add_argument("--every", type=int, default=1, help="look at one slice in so many")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    segmenter = Segmenter(args.model, threads=args.threads)
    predictions = predict_split(args.data, args.split, segmenter, every=args.every)
    rows, report = evaluate(predictions, segmenter.contract, split=args.split)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{args.split}.json").write_text(json.dumps(report, indent=1) + "\n")
    if find_spec("matplotlib"):
        from models.failures import draw_failures, pick_failures
        from models.plots import draw_plots

        draw_plots(rows, report, args.out)
        draw_failures(pick_failures(rows), args.data, args.split, segmenter, args.out)
    print(summary(report))


if __name__ == "__main__":
    main()
