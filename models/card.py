"""Write the model card from the contract and the evaluation's reports; nobody types a figure.

python -m models.evaluate --data ../shared/data/msd_liver --split val --out models/evaluation
python -m models.card --reports models/evaluation --out docs/model-card.md
"""

import argparse
import json
from os.path import relpath
from pathlib import Path
from typing import Any

from models.contract import CONTRACT_NAME

Facts = dict[str, Any]

FIGURES = {
    "liver_dice_global": "liver Dice, all pixels of the split",
    "liver_dice_per_scan": "liver Dice, mean per scan",
    "tumor_dice_global": "tumor Dice, all pixels of the split",
    "tumor_dice_per_scan": "tumor Dice, mean per scan",
    "slice_auc": "slice shows tumor: area under the ROC curve",
    "sensitivity_at_90_specificity": "slice: sensitivity at 90 % specificity",
    "slice_sensitivity": "slice: sensitivity at the chosen threshold",
    "slice_specificity": "slice: specificity at the chosen threshold",
    "slice_accuracy": "slice: accuracy at the chosen threshold",
    "calibration_error": "slice: expected calibration error",
    "pixel_accuracy": "pixel accuracy: background, liver or tumor",
    "tumor_pixel_accuracy": "pixel accuracy: tumor or not",
}
SIZES = {
    "below_20": "under 20 px", "20_to_100": "20 to 100 px", "100_to_500": "100 to 500 px", "above_500": "over 500 px",
}  # fmt: skip
TRIED = {
    "name": "network", "side": "side, px", "width": "width", "parameters": "parameters",
    "training_slices": "slices trained on", "precision": "precision",
}  # fmt: skip


def figure_rows(reports: list[Facts]) -> list[str]:
    """Return a table of the main figures, a column a split, each with its 95 % interval over persons."""
    heads = [f"{r['column']} ({r['persons']} persons, {r['slices']} slices)" for r in reports]
    rows = [f"| figure | {' | '.join(heads)} |", "|---|" + "---|" * len(reports)]
    for name, meaning in FIGURES.items():
        cells = []
        for report in reports:
            found = report["figures"].get(name, {"value": None})
            missing = found["value"] is None
            cells.append("–" if missing else f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})")
        rows.append(f"| {meaning} | {' | '.join(cells)} |")
    return rows


ABLATED = {
    "tumor_dice_global": "tumor Dice", "tumor_dice_per_scan": "per scan", "slice_auc": "slice AUC",
    "slice_sensitivity": "sensitivity", "slice_specificity": "specificity",
    "false_positives_per_slice": "false lesions per slice",
}  # fmt: skip


# Seen on the way, on validation scans, without an export of its own.
ALSO_TRIED = (
    "The same residual network without bending, grafted tumors, left-out features and with a fifth of the weight decay:"
    " tumor Dice 0.627 and slice AUC 0.877 after 97,000 slices, against 0.816 and 0.957 on the training slices: it knew"
    " its persons by heart, and the figures had stopped rising.",
    "bfloat16 instead of float32 in training: twice as many slices in the same time.",
    "The rows of 360,000 slices and of smaller sides go on from the shipped network for 8 to 16 minutes, each alike but"
    " for what it is about. None is better than what it began from: more training alone loses 0.015 of tumor Dice, with"
    " Tversky loss 0.009, at 192 px 0.021, at 160 px 0.046 and at 128 px 0.057.",
    "On every eighth validation slice: the shipped weights at 192 px, untrained for it, find as much tumor Dice and"
    " lose 0.017 of slice AUC; the mean of the weights before and after more training is below those before, in both.",
    "The ancestor's network with its loss, on tumors: it marks nothing after 9,000 to 16,000 slices, with 50 px, one"
    " pixel and a thousandth of a pixel of smoothing, and unlearns what it sees within 5,000 where it begins as one"
    " that found the liver. With the liver for its tumor the same network and loss come to a Dice of 0.8 on training"
    " slices within 4,000: Dice alone needs a target as large as that.",
    "Not tried: neighbouring slices as channels, for a job is a single slice; flips at test time, for no patient of the"
    " data has the liver on the other side and each flip costs another run; three dimensions.",
)


def tried_rows(rows: list[Facts]) -> list[str]:
    """Return the table of what was tried, best tumor Dice first."""
    heads = [*TRIED.values(), "liver Dice", "tumor Dice", "per scan", "slice AUC", "ms a slice, alone", "in eights"]
    table = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in sorted(rows, key=lambda row: row.get("tumor_dice_global") or 0, reverse=True):
        figures = ("liver_dice_global", "tumor_dice_global", "tumor_dice_per_scan", "slice_auc")
        said = [write(row.get(name)) for name in TRIED] + [write(row.get(name), 3) for name in figures]
        said += [write(row.get(name), 1) for name in ("ms_batch_1", "ms_batch_8")]
        table.append(f"| {' | '.join(said)} |")
    return table


def write(value: float | str | None, digits: int = 0) -> str:
    """Return a value as the tables show it; a dash for what was not measured."""
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value:,.{digits}f}"


def ablation_rows(ablation: Facts | None) -> list[str]:
    """Return the table of what each part of the postprocessing is worth."""
    if ablation is None:
        return ["Parts of the postprocessing: not measured."]
    heads = ["postprocessing", *ABLATED.values()]
    rows = [[row["name"], *(write(row[name], 3) for name in ABLATED)] for row in ablation["rows"]]
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(row)} |" for row in rows)]


def what_was_tried(search: Facts | None, ablation: Facts | None, facts: Facts) -> list[str]:
    """Return the networks and precisions measured side by side, and why the shipped file is what it is."""
    if search is None:
        return ["## What was tried", "Not measured."]
    allowed = facts["precision"]["allowed_fall"]
    return [
        "## What was tried",
        "All on the validation scans, each with the settings that suited it best there; milliseconds are processor time"
        " of one thread. The first row with integers is what each network would run as.",
        "\n".join(tried_rows(search["rows"])),
        "![tumor Dice against cost](../models/evaluation/search-front.png)",
        "The shipped network with one part of what follows it changed, at settings that suit the whole:",
        "\n".join(ablation_rows(ablation)),
        "\n".join(f"- {said}" for said in ALSO_TRIED),
        f"Integers are shipped where they lose no more than {allowed['tumor_dice_global']} of tumor Dice and"
        f" {allowed['slice_auc']} of slice AUC; what runs is `{facts['file']}`.",
    ]


def lesion_rows(reports: list[Facts]) -> list[str]:
    """Return a table of lesions found by size, a column a split."""
    rows = [f"| lesion size at 224 px | {' | '.join(r['column'] for r in reports)} |", "|---|" + "---|" * len(reports)]
    for name, meaning in SIZES.items():
        counts = [report["lesions"]["recall"][name] for report in reports]
        cells = [f"{count['found']} of {count['lesions']}" for count in counts]
        rows.append(f"| {meaning} | {' | '.join(cells)} |")
    false = [f"{report['lesions']['false_positives_per_slice']:.2f}" for report in reports]
    rows.append(f"| false lesions per slice | {' | '.join(false)} |")
    return rows


def confusion_rows(reports: list[Facts]) -> list[str]:
    """Return the confusion of slices, a row a split."""
    rows = ["| split | hit | missed | false alarm | rightly none |", "|---|---|---|---|---|"]
    names = ("true_positive", "false_negative", "false_positive", "true_negative")
    return rows + [f"| {r['column']} | {' | '.join(str(r['confusion'][n]) for n in names)} |" for r in reports]


def earlier_rows(earlier: Facts, reports: list[Facts]) -> list[str]:
    """Return the ancestor's table of others' figures beside ours of the same kind."""
    last = reports[-1]
    ours = [
        f"| hepaq, {FIGURES[name]}, on {last['split']} | {100 * figure['value']:.1f} % |"
        for name, figure in last["figures"].items()
        if name.endswith("pixel_accuracy")
    ]
    table = [f"| {row['system']} | {row['figure']} |" for row in earlier["rows"]]
    return ["| system | figure it gives |", "|---|---|", *table, *ours]


def what_it_is(facts: Facts) -> list[str]:
    """Return what the network is, what it was trained on, and how."""
    network, training, licence = facts["architecture"], facts["training"], facts["licence"]
    last = {"width": network["width"], "minutes": training["minutes"], "slices": training["steps"] * training["batch"]}
    runs = [*training.get("begun_from", []), last]
    data, side, parity = training["data"], facts["input"]["shape"][-1], facts["parity"]
    return [
        f"# Model card: {facts['name']}, version {facts['version']}",
        "Generated by `python -m models.card` from the contract and the evaluation's reports.",
        f"**{facts['intended_use']}**",
        "## What it is",
        f"A {network['network']} of width {network['width']}. It takes one slice of {side} x {side} px and gives, for"
        f" each pixel, the probability of {'; of '.join(facts['output']['channels'])}. ONNX, opset {facts['opset']},"
        f" SHA-256 `{facts['sha256']}`. ONNX and PyTorch differ by at most {parity['largest_difference']:.1e}"
        f" (allowed: {parity['allowed']:.0e}).",
        "## Data",
        f"{data['source']}; split {data['split']}; left out: {data['left_out']}. Window {data['window_hu'][0]} to"
        f" {data['window_hu'][1]} HU. Everything was chosen on the validation scans.",
        f"Licence of the weights: {licence['weights']}. {licence['attribution']} {licence['note']}",
        "## Training",
        f"{sum(run['minutes'] for run in runs):.0f} minutes: {', then '.join(describe_run(run) for run in runs)}."
        f" {100 * training['phantom_share']:.0f} % of the slices drawn are phantoms, which"
        " count in no figure.",
    ]


def describe_run(run: Facts) -> str:
    """Return a run of the training in words."""
    return f"{run['slices']:,} slices at width {run['width']} in {run['minutes']:.0f} minutes"


def what_it_does(reports: list[Facts], baseline: list[Facts], earlier: Facts, pictures: list[str]) -> list[str]:
    """Return every figure, and what others' figures measure."""
    plots = [name for name in pictures if "-failures" not in name]
    failures = [name for name in pictures if "-failures" in name]
    ancestor = (
        "The ancestor is its exact network with its loss and optimizer and, as its own data had it, with the liver for"
        " its tumor, trained and measured on the same splits by the same code. Trained on tumors instead, it marks"
        " nothing at all; that stands under what was tried."
    )
    return [
        "## Figures",
        "Each with its 95 % interval by bootstrap over persons, measured through the code that serves."
        f" {ancestor if baseline else 'The ancestor: not measured.'}",
        "\n".join(figure_rows([*reports, *baseline])),
        "### Lesions found, by size",
        "\n".join(lesion_rows([*reports, *baseline])),
        "### Slices",
        "\n".join(confusion_rows([*reports, *baseline])),
        "### Per cent of liver affected, found less true",
        "\n".join(affected_row(report) for report in reports),
        "### Plots",
        "\n".join(f"![{Path(name).stem}]({name})" for name in plots),
        "### Where it fails",
        "The worst slices of each split, one of a scan: above, those of at least 100 px of tumor whose Dice is lowest;"
        " below, those without tumor in which most was found. Expert green, network orange; areas in px of the slices"
        " as the data has them. Slices: Medical Segmentation Decathlon Task03_Liver (LiTS), CC BY-SA 4.0.",
        "\n".join(f"![worst slices of {Path(name).stem.partition('-')[0]}]({name})" for name in failures)
        or "Not drawn.",
        "## Beside earlier figures",
        "\n".join(earlier_rows(earlier, reports)),
        earlier["note"],
    ]


def affected_row(report: Facts) -> str:
    """Return the error of the per cent affected on a split."""
    found = report["affected_percent"]
    low, high = found["limits_90"]
    return (
        f"- {report['split']}: mean {found['mean_error']} points, 90 % of slices between {low} and {high},"
        f" correlation {found['correlation']}"
    )


def card(facts: Facts, reports: list[Facts], baseline: list[Facts], found: Facts, pictures: list[str]) -> str:
    """Return the model card as Markdown.

    Args:
        facts: the contract.
        reports: on the shipped network, the last one the most telling.
        baseline: on the ancestor's.
        found: `search`, the networks tried, `ablation`, the postprocessing, and `earlier`, others' figures.
        pictures: paths of plots, as the card links them.
    """
    limits = ["## Limits", "\n".join(f"- {limit}" for limit in facts["limits"])]
    parts = [*what_it_is(facts), *what_it_does(reports, baseline, found["earlier"], pictures)]
    parts += [*what_was_tried(found["search"], found["ablation"], facts), *limits]
    return "\n\n".join(parts) + "\n"


def read_reports(folder: Path, sha256: str) -> list[Facts]:
    """Return the reports on the shipped network.

    Raises:
        ValueError: a report is about another network.
    """
    reports = [report | {"column": report["split"]} for report in read_splits(folder, "")]
    for report in reports:
        if report["sha256"] != sha256:
            raise ValueError(f"The report on {report['split']} is about another network; evaluate again.")
    return reports


def read_splits(folder: Path, prefix: str) -> list[Facts]:
    """Return the reports of a folder whose names begin with a prefix."""
    found = [read(folder / f"{prefix}{split}.json") for split in ("val", "test")]
    return [report for report in found if report is not None]


def read(path: Path) -> Facts | None:
    """Return a JSON object, None where nothing was measured."""
    return json.loads(path.read_text()) if path.exists() else None


def main() -> None:
    """Write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=Path, default=Path("models/evaluation"), help="what the evaluation wrote")
    parser.add_argument("--model", type=Path, default=Path(__file__).parent)
    parser.add_argument("--out", type=Path, default=Path("docs/model-card.md"))
    args = parser.parse_args()
    facts = json.loads((args.model / CONTRACT_NAME).read_text())
    found = {name: read(args.reports / f"{name}.json") for name in ("search", "ablation", "earlier")}
    pictures = [relpath(path, args.out.parent) for path in sorted(args.reports.glob("*-*.png"))]
    shown = [name for name in pictures if "search" not in name]
    baseline = [r | {"column": f"the ancestor, {r['split']}"} for r in read_splits(args.reports, "baseline-")]
    args.out.write_text(card(facts, read_reports(args.reports, facts["sha256"]), baseline, found, shown))


if __name__ == "__main__":
    main()
