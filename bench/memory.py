"""`make bench-memory`: the memory of web server and workers over many jobs; writes `bench/out/memory.{json,png}`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from bench.pictures import write_pictures
from bench.processes import environment_for
from bench.product import ROOT, Product, running_product
from bench.subjects import core_count
from shared.database import Database
from shared.settings import load_settings

EVERY_S = 1.0
LONGEST_S = 3600 * 24

Sample = dict[str, float]


def ended_jobs(database: Database) -> int:
    """Return how many jobs have a result; counted, for here nobody waits for it."""
    with database.read() as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM results").scalar_one())


def sample(product: Product, database: Database, begin_s: float) -> Sample:
    """Return the seconds, the jobs done, and each part's largest resident memory in MB."""
    weighs = {
        part: max((process.memory_info().rss / 1e6 for process in members), default=0.0)
        for part, members in product.parts().items()
    }
    return {"s": round(time.monotonic() - begin_s, 1), "jobs": ended_jobs(database), **weighs}


def watch(product: Product, pictures: Path, jobs: int) -> list[Sample]:
    """Keep 64 jobs in flight until so many are done; return a sample a second."""
    database = Database(load_settings(product.environment).effective_database_url)
    command = ["--pictures", str(pictures), "--url", product.target.url, "--asynchronous", "--seconds", str(LONGEST_S)]
    environment = environment_for(ROOT, BENCH_TOKEN=product.target.token or "")
    load = subprocess.Popen([sys.executable, "-m", "bench.load", *command], cwd=ROOT, env=environment)
    begin_s = time.monotonic()
    samples: list[Sample] = []
    try:
        while not samples or samples[-1]["jobs"] < jobs:
            time.sleep(EVERY_S)
            if load.poll() is not None:
                raise RuntimeError("the load ended by itself")
            samples.append(sample(product, database, begin_s))
    finally:
        load.kill()
        load.wait()
        database.close()
    return samples


def plot(samples: list[Sample], path: Path) -> None:
    """Draw memory over jobs."""
    figure, axes = pyplot.subplots(figsize=(8, 3.5), layout="constrained")
    jobs = [entry["jobs"] for entry in samples]
    for part, label in (("worker", "worker process (the larger)"), ("worker main", "workers' main"), ("web", "web")):
        axes.plot(jobs, [entry[part] for entry in samples], label=label)
    axes.set(xlabel="jobs done", ylabel="resident memory, MB", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    """Watch, and write what was seen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("out"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hepaq-pictures-") as name:
        write_pictures(Path(name), None)
        urls = {"database_url": os.environ.get("DATABASE_URL", ""), "redis_url": os.environ.get("REDIS_URL", "")}
        with running_product(workers=core_count(), **urls) as product:
            samples = watch(product, Path(name), args.jobs)
    (args.out / "memory.json").write_text(json.dumps(samples))
    plot(samples, args.out / "memory.png")
    first = next(entry for entry in samples if entry["jobs"] >= args.jobs / 10)
    for part in ("web", "worker", "worker main"):
        print(
            f"{part}: {first[part]:.0f} MB after {first['jobs']:.0f} jobs, {samples[-1][part]:.0f} MB after {args.jobs}"
        )


if __name__ == "__main__":
    main()
