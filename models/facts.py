"""What the contract says beside numbers: origin, licence, use. The JSON is generated; nobody edits it by hand."""

from datetime import date
from typing import Any

from models.preprocess import PREPROCESSING

NAME = "hepaq-liver-tumor"
INTENDED_USE = (
    "Research and teaching only. Not a medical device; not for diagnosis, staging or treatment decisions. Axial "
    "abdominal CT slices that show the liver, liver on the picture's left."
)
LICENCE = {
    "weights": "CC BY-SA 4.0",
    "url": "https://creativecommons.org/licenses/by-sa/4.0/",
    "attribution": (
        "Trained on Medical Segmentation Decathlon Task03_Liver (the LiTS training set), CC BY-SA 4.0: Antonelli et "
        "al., Nature Communications 13:4128 (2022); Bilic et al., Medical Image Analysis 84:102680 (2023)."
    ),
    "note": "Scans 028 to 047 of that set come from 3D-IRCADb-01, whose own terms are stricter.",
}
DATA = {
    "source": "Medical Segmentation Decathlon, Task03_Liver",
    "split": "by person; 94 scans train, 18 val, 10 test",
    "left_out": "slices whose tumor vanished when they were made small",
    "window_hu": [-200, 250],
    "choices": "all on val",
}
CALIBRATION = "Platt, on the mean logit of the brightest tumor pixels"
CHANNELS = ["liver, tumor included", "tumor"]
LIMITS = [
    "Only slices with liver were seen; false alarms on chest or pelvis are unknown.",
    "The expert masks are known to miss very small lesions.",
    "One slice at a time, of a volume too: no neighbouring slice is seen. Slices without liver were in no training; "
    "what is found in them counts only where it hangs together with the liver of the volume.",
]


def describe_ports(side: int, channels: list[str]) -> dict[str, Any]:
    """Return what goes in and comes out, for an input side in px and the names of the output's channels."""
    axes = ["slice", "channel", "row", "column"]
    return {
        "input": {
            "name": "slices",
            "shape": [None, 1, side, side],
            "axes": axes,
            "dtype": "float32",
            "range": [0.0, 1.0],
            "window_hu": DATA["window_hu"],
            "orientation": "axial, spine down, liver on the picture's left",
        },
        "output": {
            "name": "probabilities",
            "shape": [None, len(channels), side, side],
            "axes": axes,
            "dtype": "float32",
            "channels": channels,
        },
    }


def make_facts(
    sha256: str, run: dict[str, Any], *, version: str, created: date, opset: int, file: str
) -> dict[str, Any]:
    """Return the contract of a new network, its settings still provisional."""
    side, config, progress = run["config"]["side"], run["config"], run["progress"]
    return {
        "name": NAME,
        "version": version,
        "created": created.isoformat(),
        "file": file,
        "sha256": sha256,
        "opset": opset,
        **describe_ports(side, CHANNELS[-run["channels"] :]),
        "preprocessing": PREPROCESSING,
        "thresholds": {"liver": 0.5, "tumor": 0.5, "tumor_peak": 0.5},
        "min_lesion_share": 8 / 224**2,
        "liver_margin_share": 0.02,
        "calibration": {
            "method": CALIBRATION,
            "slope": 1.0,
            "offset": 0.0,
        },
        "architecture": {"network": run["title"], "width": config["width"], "parameters": run["parameters"]},
        "training": {
            "data": DATA,
            "phantom_share": config["phantom_share"],
            "minutes": round(progress["elapsed_s"] / 60, 1),
            "minutes_planned": config["minutes"],
            "steps": progress["steps"],
            "batch": config["batch"],
            "begun_from": config["begun_from"],
            "seed": config["seed"],
        },
        "licence": LICENCE,
        "intended_use": INTENDED_USE,
        "limits": LIMITS,
    }
