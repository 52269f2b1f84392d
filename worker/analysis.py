"""From a scan's bytes to the rows of its result. Pure: no database, no queue, no storage.

The three steps are the phases people watch: decode, infer, measure.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from models.contract import Contract
from models.mask_png import encode_mask
from models.pipeline import infer, interpret
from models.scan_type import Scan
from models.segmenter import Segmenter
from models.uncertainty import class_entropy
from shared.jobs.finish import Outcome
from shared.version import VERSION
from worker.pictures import encode_map, encode_preview, encode_thumbnail


@dataclass
class Case:
    """One scan on its way through the phases, with the seconds each took."""

    input_sha256: str
    scan: Scan
    seconds: dict[str, float] = field(default_factory=dict)


def decode(content: bytes, input_sha256: str, read_scan: Callable[[bytes], Scan]) -> Case:
    """Read a scan with the given reader.

    Raises:
        models.errors.InvalidScan: it cannot be used; carries a code and a sentence.
    """
    start = perf_counter()
    case = Case(input_sha256, read_scan(content))
    case.seconds["decoding"] = perf_counter() - start
    return case


def infer_cases(cases: list[Case], segmenter: Segmenter) -> list[np.ndarray]:
    """Run the network over a batch.

    Returns:
        For each case its probabilities, (2, S, S) float32, channels liver and tumor, on the network's grid.
    """
    start = perf_counter()
    probabilities = infer([case.scan for case in cases], segmenter)
    for case in cases:
        case.seconds["inferring"] = (perf_counter() - start) / len(cases)
    return list(probabilities)


def measure_case(case: Case, probabilities: np.ndarray, segmenter: Segmenter) -> Outcome:
    """Turn probabilities into a mask on the scan's own grid, its measurements and its pictures, as rows."""
    start = perf_counter()
    contract = segmenter.contract
    interpretation = interpret(case.scan, probabilities, contract)
    measured: dict[str, Any] = interpretation.measurement.to_dict()
    mask = interpretation.mask
    artifacts = [
        artifact("mask", "image/png", encode_mask(mask)),
        artifact("preview", "image/jpeg", encode_preview(case.scan.pixels)),
        artifact("thumbnail", "image/jpeg", encode_thumbnail(case.scan.pixels, mask)),
        artifact("probability", "image/png", encode_map(probabilities[1])),
        artifact("uncertainty", "image/png", encode_map(class_entropy(probabilities))),
    ]
    case.seconds["measuring"] = perf_counter() - start
    height_px, width_px = case.scan.pixels.shape
    report = measured | {
        "width_px": width_px,
        "height_px": height_px,
        "spacing_mm": case.scan.spacing_mm,
        "format": case.scan.format,
        "warnings": [*case.scan.warnings, *measured["warnings"]],
        "preprocessing": contract.preprocessing,
        "seconds": {phase: round(seconds, 5) for phase, seconds in case.seconds.items()},
    }
    row = result_row(case.input_sha256, measured, report, contract, artifacts[0])
    return Outcome(row, lesion_rows(measured), artifacts)


def artifact(kind: str, media_type: str, content: bytes) -> dict[str, Any]:
    """Return a picture as a row."""
    digest = hashlib.sha256(content).hexdigest()
    return {"kind": kind, "media_type": media_type, "content": content, "content_sha256": digest}


def result_row(
    input_sha256: str, measured: dict[str, Any], report: dict[str, Any], contract: Contract, mask: dict[str, Any]
) -> dict[str, Any]:
    """Return the columns of `results`: what lists and filters need; the rest is in the report."""
    columns = (
        "tumor_detected", "confidence", "stage", "stage_rule", "affected_percent", "lesion_count", "liver_area_px",
        "tumor_area_px", "scope",
    )  # fmt: skip
    of_volumes = ("slice_count", "liver_volume_ml", "tumor_volume_ml")
    return {name: measured[name] for name in (*columns, *of_volumes) if name in measured} | {
        "model_name": contract.name,
        "model_version": contract.version,
        "model_sha256": contract.sha256,
        "code_version": VERSION,
        "input_sha256": input_sha256,
        "mask_sha256": mask["content_sha256"],
        "report": report,
    }


def lesion_rows(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of `lesions`."""
    rows = []
    for lesion in measured["lesions"]:
        x, y, width, height = lesion["bbox"]
        row = {"number": lesion["id"], "x_px": x, "y_px": y, "width_px": width, "height_px": height}
        of_volume = {"slice_number": lesion.get("slice"), "volume_ml": lesion.get("volume_ml")}
        copied = ("area_px", "longest_diameter_px", "longest_diameter_mm", "confidence")
        rows.append(row | of_volume | {name: lesion[name] for name in copied})
    return rows
