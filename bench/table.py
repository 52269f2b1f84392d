"""The table, as Markdown and as JSON."""

from typing import Any

from bench.product import PARTS
from bench.summary import Row

Spread = dict[str, float] | None


def cell(spread: Spread, digits: int = 1) -> str:
    """Write a median with its lowest and highest."""
    if spread is None:
        return ""
    return f"{spread['median']:.{digits}f} [{spread['min']:.{digits}f}–{spread['max']:.{digits}f}]"


def lone(spread: Spread, digits: int = 0) -> str:
    """Write a median alone."""
    return "" if spread is None else f"{spread['median']:.{digits}f}"


def markdown(report: dict[str, Any]) -> str:
    """Write the whole report."""
    parts = [
        head(report), speed_table(report["rows"]), comparison_table(report["comparisons"]),
        product_table(report["rows"]), failures(report["failures"]), stores(report["rows"]),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def head(report: dict[str, Any]) -> str:
    """Say what was measured on what."""
    machine = report["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    database = f", {machine['database']}" if "database" in machine else ""
    return (
        f"{machine['cores']} x {machine['processor']}, {machine['memory_gb']} GB, {machine['system']};"
        f" Python {machine['python']}, {packages}, redis-server {machine['redis-server']}{database}."
        f" Network: {machine['network']}. Pictures: {report['pictures']}."
        f" {report['rounds']} rounds of {report['seconds']:g} s after {report['warm_up_s']:g} s of warm-up,"
        f" {report['in_flight']} in flight; median [lowest–highest]; load average before: {machine['load_before']}."
        f" Raw engine ceiling: **{cell(report['ceiling'])} img/s**."
    )


def speed_table(rows: list[Row]) -> str:
    """Everybody's speed."""
    lines = [
        "| system | ÷ ceiling | jobs/s | job p50 / p99 ms | submit p50 / p99 ms | status p99 ms | client, cores |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        waits = ["job_p50_ms", "job_p99_ms", "submit_p50_ms", "submit_p99_ms"]
        job50, job99, submit50, submit99 = (lone(row[name]) for name in waits)
        submit = f"{submit50} / {submit99}" if row["status_p99_ms"] else "the answer is the result"
        lines.append(
            f"| {row['name']} | {cell(row['ratio'], 2)} | {cell(row['jobs_per_s'])} | {job50} / {job99}"
            f" | {submit} | {lone(row['status_p99_ms'])} | {lone(row['client_cores'], 2)} |"
        )
    return "\n".join(lines)


def comparison_table(comparisons: dict[str, dict[str, Spread]]) -> str:
    """How many times as fast as the others the product is."""
    lines = ["| product ÷ other | " + " | ".join(comparisons) + " |", "|---|" + "---|" * len(comparisons)]
    names = dict.fromkeys(name for found in comparisons.values() for name in found)
    lines += [f"| {name} | " + " | ".join(cell(c.get(name), 2) for c in comparisons.values()) + " |" for name in names]
    return "\n".join(lines)


def product_table(rows: list[Row]) -> str:
    """What only the product is asked for: CPU by part, memory, start, statuses in bulk."""
    lines = [
        "| product | CPU per job, ms: web, workers, decoders, workers' main, redis, database"
        " | memory, MB: web, worker, decoder | ready after s | bulk statuses/s |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if row["ready_s"]:
            cpu, memory = row["cpu_ms_per_job"], row["memory_mb"]
            spent = ", ".join(lone(cpu.get(part), 1) or "–" for part in (*PARTS, "database"))
            weighs = ", ".join(lone(memory.get(part)) for part in ("web", "worker", "decoder"))
            rate = cell(row["bulk_statuses_per_s"], 0)
            lines.append(f"| {row['name']} | {spent} | {weighs} | {cell(row['ready_s'])} | {rate} |")
    return "\n".join(lines)


def failures(failed: dict[str, str]) -> str:
    """Who could not be measured."""
    return "\n".join(f"- {name} could not be measured: {why.splitlines()[0][:200]}" for name, why in failed.items())


def stores(rows: list[Row]) -> str:
    """What survives of a job, by system: speed without storing is another thing."""
    return "What each keeps:\n\n" + "\n".join(f"- {row['name']}: {row['stores']}" for row in rows)
