"""Where training may begin: at an earlier run, or at a network that was exported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import read
from models.contract import CONTRACT_NAME
from models.dataset import Slices
from models.recipes import Recipe
from models.unfold import unfold

# So many training slices give the statistics of a network taken out of its ONNX file.
STATISTICS_SLICES = 96


def starting_weights(start: Path, recipe: Recipe, slices: Slices) -> dict[str, Tensor]:
    """Return the weights of a run, by its folder, or of a float ONNX file with its contract beside it.

    Raises:
        ValueError: the file holds a network of another recipe.
    """
    if start.suffix != ".onnx":
        states: dict[str, Tensor] = read(start / "last.pt")["states"]["network"]
        return states
    network = recipe.build(read_contract(start)["architecture"]["width"])
    seen = slices.images[:: max(1, len(slices.images) // STATISTICS_SLICES)]
    unfold(start, network, torch.from_numpy(seen[:, None].astype(np.float32) / 255))
    return network.state_dict()


def begun_from(start: Path | None) -> list[dict[str, Any]]:
    """Return what was trained before, oldest first: the width, minutes and slices of each run."""
    if start is None:
        return []
    if start.suffix == ".onnx":
        facts = read_contract(start)
        training, width = facts["training"], facts["architecture"]["width"]
    else:
        stored = read(start / "last.pt")
        config, progress = stored["config"], stored["progress"]
        training = config | {"minutes": progress["elapsed_s"] / 60, "steps": progress["steps"]}
        width = config["width"]
    row = {"width": width, "minutes": round(training["minutes"], 1), "slices": training["steps"] * training["batch"]}
    return [*training["begun_from"], row]


def read_contract(network: Path) -> dict[str, Any]:
    """Return the contract beside a network."""
    facts: dict[str, Any] = json.loads(network.with_name(CONTRACT_NAME).read_text())
    return facts
