"""Put what was tried side by side: one row for each exported network and precision, all measured on validation slices.

    python -m models.search --out models/evaluation/search.json runs/export-a runs/export-b

The model card shows the table and the front of tumor Dice against processor time.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from models.contract import CONTRACT_NAME

FIGURES = ("liver_dice_global", "tumor_dice_global", "tumor_dice_per_scan", "slice_auc")
COSTS = {"batch_1": "ms_batch_1", "batch_8": "ms_batch_8"}


def rows_of(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each precision of an exported network, from its contract."""
    training, precision = facts["training"], facts["precision"]
    earlier = training["begun_from"]
    network = {
        "name": facts["architecture"]["network"],
        "version": facts["version"],
        "side": facts["input"]["shape"][-1],
        "width": facts["architecture"]["width"],
        "parameters": facts["architecture"]["parameters"],
        "minutes": round(training["minutes"] + sum(run["minutes"] for run in earlier), 1),
        "training_slices": training["steps"] * training["batch"] + sum(run["slices"] for run in earlier),
        "weights": training["weights"],
    }
    rows = []
    for tried in precision["tried"]:
        figures = {name: tried.get(name) for name in FIGURES}
        costs = {ours: tried[theirs] for theirs, ours in COSTS.items()}
        precision_of = {"precision": tried["name"], "left_in_float": tried.get("left_in_float", [])}
        rows.append(network | precision_of | figures | costs)
    return rows


def draw_front(rows: list[dict[str, Any]], out: Path) -> None:
    """Draw tumor Dice over processor time, one line a network from float to integers."""
    figure, axes = plt.subplots(figsize=(6.5, 4.4), dpi=110, layout="constrained")
    measured = [row for row in rows if None not in (row.get("ms_batch_8"), row.get("tumor_dice_global"))]
    for name in dict.fromkeys(named(row) for row in measured):
        own = [row for row in measured if named(row) == name]
        axes.plot([row["ms_batch_8"] for row in own], [row["tumor_dice_global"] for row in own], "o-", label=name)
    axes.set(xlabel="ms a slice, one thread, batches of 8", ylabel="tumor Dice on validation", title="Quality and cost")
    axes.set_xlim(left=0)
    axes.legend(fontsize=8)
    figure.savefig(out, metadata={"Software": None})
    plt.close(figure)


def named(row: dict[str, Any]) -> str:
    """Return what tells one network from another."""
    return f"{row['name'].partition(',')[0]}, width {row['width']}, {row['side']} px, {row['training_slices']:,} slices"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exports", type=Path, nargs="+", help="folders the export wrote to")
    parser.add_argument("--out", type=Path, default=Path("models/evaluation/search.json"))
    args = parser.parse_args()
    rows = [row for folder in args.exports for row in rows_of(json.loads((folder / CONTRACT_NAME).read_text()))]
    args.out.write_text(json.dumps({"split": "val", "rows": rows}, indent=1) + "\n")
    draw_front(rows, args.out.with_name("search-front.png"))


if __name__ == "__main__":
    main()
