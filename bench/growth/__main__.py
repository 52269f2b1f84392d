"""Measure the hot operations at two sizes, in turns; write `bench/out/growth.{md,json}`. DATABASE_URL: there too."""

import argparse
import json
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from bench.growth.fill import fill, make_user
from bench.growth.operations import operations
from bench.growth.plans import bad_plans
from bench.machine import describe
from bench.product import schema
from shared.database import Database
from shared.migrate import migrate


def measure(urls: dict[int, str], repeats: int) -> dict[str, Any]:
    """Return median milliseconds by operation and size, and the plans to worry about at the larger size."""
    databases = {count: Database(url) for count, url in urls.items()}
    by_size = {}
    for count, database in databases.items():
        migrate(urls[count])
        user_id = make_user(database)
        begin_s = time.perf_counter()
        fill(database, user_id, count)
        print(f"  {count:,} jobs filled in {time.perf_counter() - begin_s:.0f} s", flush=True)
        by_size[count] = operations(database, user_id, count)
    spent: dict[str, dict[int, list[float]]] = {}
    for _ in range(repeats):
        for name in next(iter(by_size.values())):
            for count, works in by_size.items():
                begin_s = time.perf_counter()
                works[name]()
                spent.setdefault(name, {}).setdefault(count, []).append(1000 * (time.perf_counter() - begin_s))
    largest = max(by_size)
    plans = {name: found for name, work in by_size[largest].items() if (found := bad_plans(databases[largest], work))}
    for database in databases.values():
        database.close()
    return {"ms": {n: {c: median(v) for c, v in found.items()} for n, found in spent.items()}, "plans": plans}


def markdown(report: dict[str, dict[str, Any]], sizes: list[int]) -> str:
    """Write the table, and the plans to worry about."""
    heads = [f"{kind} {size:,}" for kind in report for size in sizes]
    lines = ["| ms | " + " | ".join(heads) + " | largest ÷ smallest |", "|---|" + "---|" * (len(heads) + 1)]
    for name in next(iter(report.values()))["ms"]:
        cells = [report[kind]["ms"][name][size] for kind in report for size in sizes]
        ratios = [report[kind]["ms"][name][sizes[-1]] / report[kind]["ms"][name][sizes[0]] for kind in report]
        numbers = " | ".join(f"{value:.2f}" for value in cells)
        lines.append(f"| {name} | {numbers} | {', '.join(f'{ratio:.2f}' for ratio in ratios)} |")
    worries = [f"- {k}, {n}: {p}" for k, found in report.items() for n, ps in found["plans"].items() for p in ps]
    return "\n".join([*lines, "", *(worries or ["Every query goes by index."])]) + "\n"


def main() -> None:
    """Fill, measure, write."""
    parser = argparse.ArgumentParser(prog="make bench-growth ARGS=…")
    parser.add_argument("--sizes", type=int, nargs=2, default=[1000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=101)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "out")
    args = parser.parse_args()
    server = os.environ.get("DATABASE_URL", "")
    report: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="hepaq-growth-") as name, ExitStack() as stack:
        files = {size: f"sqlite:///{name}/{size}.sqlite3" for size in args.sizes}
        print("SQLite", flush=True)
        report["SQLite"] = measure(files, args.repeats)
        if server:
            print("server", flush=True)
            write(report, args.sizes, args.out, server)
            schemas = {size: stack.enter_context(schema(server)) for size in args.sizes}
            report["server"] = measure(schemas, args.repeats)
    write(report, args.sizes, args.out, server)


def write(report: dict[str, dict[str, Any]], sizes: list[int], out: Path, server: str) -> None:
    """Write and print what is known so far: filling a server with a million jobs takes minutes."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "growth.json").write_text(json.dumps({"machine": describe(server), "databases": report}, indent=1))
    (out / "growth.md").write_text(markdown(report, sizes))
    print(markdown(report, sizes), flush=True)


if __name__ == "__main__":
    main()
