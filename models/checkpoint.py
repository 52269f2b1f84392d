"""A training run's state on disk: written aside and renamed, so that a kill leaves the last whole one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch


@dataclass
class Progress:
    """How far a run is."""

    steps: int = 0
    elapsed_s: float = 0.0
    best_score: float = -1.0
    history: list[dict[str, Any]] = field(default_factory=list)


def save(path: Path, *, parts: dict[str, Any], progress: Progress, config: dict[str, Any]) -> None:
    """Write a checkpoint."""
    states = {name: part.state_dict() for name, part in parts.items()}
    aside = path.with_suffix(".part")
    torch.save({"states": states, "progress": vars(progress), "config": config}, aside)
    aside.rename(path)


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint as it was written: `states`, `progress` and `config`."""
    # The history may hold numbers that NumPy made.
    with torch.serialization.safe_globals([np._core.multiarray.scalar, np.dtype, np.dtypes.Float64DType]):
        stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return stored


def load(path: Path, *, parts: dict[str, Any], config: dict[str, Any]) -> Progress:
    """Read a checkpoint into the parts of a run.

    Raises:
        ValueError: it belongs to a network of another shape.
    """
    stored = read(path)
    for name in ("recipe", "width", "side"):
        if stored["config"][name] != config[name]:
            raise ValueError(f"{path} was trained with {name}={stored['config'][name]}, not {config[name]}.")
    for name, part in parts.items():
        part.load_state_dict(stored["states"][name])
    return Progress(**stored["progress"])
