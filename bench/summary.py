"""From all rounds to one row a subject: medians, with the lowest and the highest."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.subjects import Figures, Subject
from bench.turns import Measured

Row = dict[str, Any]


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Return median, lowest and highest; None of nothing."""
    known = [value for value in values if value is not None]
    return {"median": median(known), "min": min(known), "max": max(known)} if known else None


def summarise(subject: Subject, rounds: list[Figures]) -> Row:
    """Return a subject's row."""
    row: Row = {"name": subject.name, "stores": subject.stores, "rounds": len(rounds)}
    for name in ("ratio", "jobs_per_s", "client_cores", "bulk_statuses_per_s", "ready_s"):
        row[name] = spread([figures.get(name) for figures in rounds])
    for name, share in (
        ("submit_ms", "p50"),
        ("submit_ms", "p99"),
        ("status_ms", "p99"),
        ("job_ms", "p50"),
        ("job_ms", "p99"),
    ):
        row[f"{name[:-3]}_{share}_ms"] = spread([figures[name][share] for figures in rounds])
    for name in ("cpu_ms_per_job", "memory_mb"):
        parts = rounds[0].get(name, {})
        row[name] = {part: spread([figures[name].get(part) for figures in rounds]) for part in parts}
    row["errors"] = sum(figures["errors"] for figures in rounds)
    return row


def summarise_all(subjects: Sequence[Subject], measured: Measured) -> list[Row]:
    """Return a row for everybody that was measured."""
    return [summarise(s, measured.figures[s.name]) for s in subjects if s.name in measured.figures]


def compare(rows: list[Row], measured: Measured, product: str) -> dict[str, dict[str, float] | None]:
    """Return how many times as fast as each other subject the product is, round by round, ceiling by ceiling."""
    ours = measured.figures[product]
    return {
        row["name"]: spread(
            [o["ratio"] / t["ratio"] for o, t in zip(ours, measured.figures[row["name"]], strict=False) if t["ratio"]]
        )
        for row in rows
        if row["name"] != product
    }
