"""The network's contract: what it takes, gives, and was measured to do. Read from the JSON beside the `.onnx`."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from models.errors import ContractMismatch

CONTRACT_NAME = "liver_tumor.json"
REQUIRED = (
    "name", "version", "file", "sha256", "input", "output", "preprocessing", "thresholds", "min_lesion_share",
    "liver_margin_share", "calibration", "intended_use",
)  # fmt: skip


class Thresholds(NamedTuple):
    """Probabilities from which something counts.

    Attributes:
        liver: a pixel as liver.
        tumor: a pixel as tumor, in a lesion.
        tumor_peak: a lesion as one, by its brightest pixel. The outline is thus drawn lower than the verdict.
    """

    liver: float
    tumor: float
    tumor_peak: float


@dataclass(frozen=True)
class Contract:
    """What serving needs of the contract; `facts` holds all of it.

    Attributes:
        side: the network's input side, px.
        knows_liver: whether it gives liver and tumor, or tumor alone.
        thresholds: probabilities from which pixels and lesions count.
        min_lesion_share: lesions below this share of the network's grid are noise.
        liver_margin_share: how far outside the found liver tumor may reach, as a share of the picture's side.
        calibration: slope and offset on the logit of a slice's brightest tumor pixels.
    """

    name: str
    version: str
    sha256: str
    path: Path
    input_name: str
    output_name: str
    side: int
    knows_liver: bool
    thresholds: Thresholds
    min_lesion_share: float
    liver_margin_share: float
    calibration: tuple[float, float]
    preprocessing: dict[str, Any]
    facts: dict[str, Any]


def load_contract(model_dir: Path) -> Contract:
    """Read the contract and check that the network's file is the one it speaks of.

    Raises:
        ContractMismatch: a file is missing or unreadable, an entry is missing, or the digest differs.
    """
    try:
        facts = json.loads((model_dir / CONTRACT_NAME).read_text())
        if missing := [name for name in REQUIRED if name not in facts]:
            raise ContractMismatch(f"{CONTRACT_NAME} lacks {', '.join(missing)}.")
        path = model_dir / facts["file"]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError) as error:
        raise ContractMismatch(f"The network or its contract cannot be read: {error}") from error
    if digest != facts["sha256"]:
        raise ContractMismatch(f"{path.name} has SHA-256 {digest[:12]}…, its contract says {facts['sha256'][:12]}….")
    try:
        return read_facts(facts, path)
    except (KeyError, TypeError, IndexError) as error:
        raise ContractMismatch(f"{CONTRACT_NAME} has an entry of another form than expected: {error}") from error


def read_facts(facts: dict[str, Any], path: Path) -> Contract:
    """Return the contract held in the JSON's content."""
    return Contract(
        name=facts["name"],
        version=facts["version"],
        sha256=facts["sha256"],
        path=path,
        input_name=facts["input"]["name"],
        output_name=facts["output"]["name"],
        side=facts["input"]["shape"][-1],
        knows_liver=facts["output"]["shape"][1] == 2,
        thresholds=Thresholds(**facts["thresholds"]),
        min_lesion_share=facts["min_lesion_share"],
        liver_margin_share=facts["liver_margin_share"],
        calibration=(facts["calibration"]["slope"], facts["calibration"]["offset"]),
        preprocessing=facts["preprocessing"],
        facts=facts,
    )
