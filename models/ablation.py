"""What each part of the postprocessing is worth: the validation slices evaluated again without it.

    python -m models.ablation --data ../shared/data/msd_liver --out models/evaluation/ablation.json

The model card shows the table. Settings stay those that suit the whole; each row changes one thing.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.contract import Contract
from models.evaluate import evaluate
from models.pipeline import infer
from models.predictions import Prediction, predict_split
from models.segmenter import Segmenter

FIGURES = ("tumor_dice_global", "tumor_dice_per_scan", "slice_auc", "slice_sensitivity", "slice_specificity")
# The only test-time change that anatomy allows at no loss: the slice moved a little, and the answer moved back.
SHIFTS_PX = ((0, 0), (5, 3), (-3, 5))


def variants(contract: Contract) -> dict[str, Contract]:
    """Return the contract as it is, and without one part of the postprocessing each, by what is left out."""
    thresholds = contract.thresholds
    return {
        "as it runs": contract,
        "tumor anywhere in the slice, not only in or at the liver": replace(contract, liver_margin_share=1.0),
        "no smallest size": replace(contract, min_lesion_share=0.0),
        "no peak to reach (one threshold instead of two)": replace(
            contract, thresholds=thresholds._replace(tumor_peak=thresholds.tumor)
        ),
        "one threshold of 0.5": replace(contract, thresholds=thresholds._replace(tumor=0.5, tumor_peak=0.5)),
    }


def shifted(predictions: list[Prediction], segmenter: Segmenter) -> Iterator[Prediction]:
    """Yield the predictions made anew as the mean over shifts of the slice: three times the cost."""
    for prediction in predictions:
        scan = prediction.scan
        moved = [replace(scan, pixels=np.roll(scan.pixels, shift, (0, 1))) for shift in SHIFTS_PX]
        found = infer(moved, segmenter)
        share = segmenter.contract.side / scan.pixels.shape[0]
        back = [
            np.roll(each, (-round(down * share), -round(right * share)), (1, 2))
            for each, (down, right) in zip(found, SHIFTS_PX, strict=True)
        ]
        yield replace(prediction, probabilities=np.mean(back, 0))


def row_of(name: str, report: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the table."""
    figures = {figure: report["figures"][figure]["value"] for figure in FIGURES}
    return {"name": name, **figures, "false_positives_per_slice": report["lesions"]["false_positives_per_slice"]}


def main() -> None:
    """Evaluate without each part, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the splits and slices.csv")
    parser.add_argument("--model", type=Path, default=Path(__file__).parent, help="folder of the network and contract")
    parser.add_argument("--every", type=int, default=1, help="look at one slice in so many")
    parser.add_argument("--out", type=Path, default=Path("models/evaluation/ablation.json"))
    args = parser.parse_args()
    segmenter = Segmenter(args.model)
    predictions = list(predict_split(args.data, "val", segmenter, every=args.every))
    rows = [
        row_of(name, evaluate(predictions, contract, split="val")[1])
        for name, contract in variants(segmenter.contract).items()
    ]
    moved, mean = shifted(predictions, segmenter), f"mean over {len(SHIFTS_PX)} shifts of the slice"
    rows.append(row_of(mean, evaluate(moved, segmenter.contract, split="val")[1]))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(
        json.dumps({"split": "val", "sha256": segmenter.contract.sha256, "rows": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
