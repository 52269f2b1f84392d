"""The turns: every subject once a round, each between two looks at the engine's ceiling, every other round backwards.

A machine that others use as well gets slower and faster by the minute; a subject and the ceiling beside it suffer
alike.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.processes import environment_for
from bench.product import ROOT
from bench.subjects import Figures, Plan, Subject

CEILING_S = 1.2


@dataclass
class Measured:
    """Everything that was seen: ceilings in img/s, and each subject's figures, one entry a round."""

    ceilings: list[float] = field(default_factory=list)
    figures: dict[str, list[Figures]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def take_turns(subjects: Sequence[Subject], plan: Plan, rounds: int) -> Measured:
    """Measure everybody, so many rounds."""
    measured = Measured()
    before = look_at_ceiling(plan, measured)
    for number in range(rounds):
        for subject in subjects if number % 2 == 0 else subjects[::-1]:
            if subject.name in measured.failures:
                continue
            try:
                figures = subject.measure(plan)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                # A peer that cannot be had must not end the run; the table says so.
                measured.failures[subject.name] = str(error)
                print(f"  {subject.name} failed: {error}", flush=True)
                continue
            after = look_at_ceiling(plan, measured)
            figures["ceiling"] = (before + after) / 2
            figures["ratio"] = figures["jobs_per_s"] / figures["ceiling"]
            before = after
            measured.figures.setdefault(subject.name, []).append(figures)
            print(
                f"  round {number + 1} {subject.name}: {figures['jobs_per_s']:.1f} jobs/s,"
                f" {figures['ratio']:.2f} of the ceiling of {figures['ceiling']:.1f}",
                flush=True,
            )
    return measured


def look_at_ceiling(plan: Plan, measured: Measured) -> float:
    """Return the engine's images per second right now, at its better batch size."""
    command = [sys.executable, "-m", "bench.ceiling", "--pictures", str(plan.pictures), "--seconds", str(CEILING_S)]
    done = subprocess.run(command, cwd=ROOT, env=environment_for(ROOT), capture_output=True, text=True, check=True)
    ceiling = max(json.loads(done.stdout).values())
    measured.ceilings.append(ceiling)
    return float(ceiling)
