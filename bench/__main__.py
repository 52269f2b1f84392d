"""`make bench`: measure everybody in turns; write `bench/out/bench.{md,json,png}`.

Environment: DATA (real slices), DATABASE_URL and REDIS_URL (the product on servers too), BENCH_PEERS (more peers:
names, "all" or "none").
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

from bench.machine import commit, describe
from bench.peers.catalogue import chosen
from bench.pictures import write_pictures
from bench.plot import plot_ratios
from bench.subjects import Plan, Subject, core_count, peer_subject, product_subject
from bench.summary import compare, spread, summarise_all
from bench.table import markdown
from bench.turns import take_turns

OUT = Path(__file__).with_name("out")
EMBEDDED, SERVERS = "hepaq", "hepaq-servers"


def choose_subjects(database_url: str, redis_url: str, peers: str) -> list[Subject]:
    """Return the product in its forms, then the peers."""
    cores = core_count()
    found = [product_subject(EMBEDDED, workers=cores)]
    if database_url or redis_url:
        found.append(product_subject(SERVERS, workers=cores, database_url=database_url, redis_url=redis_url))
    found.append(product_subject(f"{EMBEDDED}-1-worker", workers=1))
    if database_url or redis_url:
        found.append(product_subject(f"{SERVERS}-1-worker", workers=1, database_url=database_url, redis_url=redis_url))
    return found + [peer_subject(peer) for peer in chosen(peers)]


def main() -> None:
    """Measure, and write what was seen."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--warm-up", type=float, default=3, help="seconds")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    database_url, redis_url = os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", "")
    subjects = choose_subjects(database_url, redis_url, os.environ.get("BENCH_PEERS", ""))
    machine = describe(database_url)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hepaq-pictures-") as name:
        data = os.environ.get("DATA")
        pictures = write_pictures(Path(name), Path(data) if data else None)
        print(f"{len(subjects)} systems, {args.rounds} rounds; {pictures}", flush=True)
        plan = Plan(Path(name), args.in_flight, args.warm_up, args.seconds)
        measured = take_turns(subjects, plan, args.rounds)
    rows = summarise_all(subjects, measured)
    report = {
        "commit": commit(), "machine": machine, "pictures": pictures, "rounds": args.rounds, "seconds": args.seconds,
        "warm_up_s": args.warm_up, "in_flight": args.in_flight, "ceiling": spread(measured.ceilings), "rows": rows,
        "comparisons": {n: compare(rows, measured, n) for n in (EMBEDDED, SERVERS) if n in measured.figures},
        "failures": measured.failures, "every_round": measured.figures,
    }  # fmt: skip
    (args.out / "bench.json").write_text(json.dumps(report, indent=1))
    (args.out / "bench.md").write_text(markdown(report))
    plot_ratios(rows, args.out / "bench.png", f"{machine['cores']} x {machine['processor']}, {machine['network']}")
    print(f"\n{markdown(report)}\nWritten to {args.out}/bench.md, bench.json, bench.png")


if __name__ == "__main__":
    main()
