"""Percentiles of latencies."""

from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least this share of the values do not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def latency_ms(seconds: Sequence[float]) -> dict[str, float | None]:
    """Return p50 and p99 in milliseconds, of durations in seconds."""
    found = {name: percentile(seconds, share) for name, share in (("p50", 0.50), ("p99", 0.99))}
    return {name: None if value is None else round(value * 1000, 2) for name, value in found.items()}
