"""What is measured: the product on its databases and worker counts, and the peers. Each measurement starts it anew."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from bench.peers.catalogue import Peer
from bench.peers.running import running_peer
from bench.processes import cpu_seconds, environment_for, family_of
from bench.product import ROOT, running_product
from bench.target import Target

Figures = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How long and with what everybody is measured."""

    pictures: Path
    in_flight: int
    warm_up_s: float
    seconds: float


@dataclass(frozen=True)
class Subject:
    """One row of the table: its name, what survives of a job, and how it is measured once."""

    name: str
    stores: str
    measure: Callable[[Plan], Figures]


def product_subject(name: str, *, workers: int, database_url: str = "", redis_url: str = "") -> Subject:
    """The product."""
    stores = "upload (fsync), job, result, masks, pictures, history in the database, durable before it is said"
    measure = partial(measure_product, workers=workers, database_url=database_url, redis_url=redis_url)
    return Subject(name, stores, measure)


def peer_subject(peer: Peer) -> Subject:
    """A peer."""
    return Subject(peer.name, peer.stores, partial(measure_peer, peer))


def measure_product(plan: Plan, *, workers: int, database_url: str, redis_url: str) -> Figures:
    """Start the product, load it, ask for many statuses, weigh it."""
    with running_product(workers=workers, database_url=database_url, redis_url=redis_url) as product:
        parts = product.parts()
        if database_url:
            parts["database"] = [p for p in psutil.process_iter() if p.name() in ("mariadbd", "mysqld")]
        before = {part: cpu_seconds(members) for part, members in parts.items()}
        figures = load(plan, product.target)
        jobs = max(1, figures["jobs_in_all"])
        figures["cpu_ms_per_job"] = {
            part: 1000 * sum(now - before[part].get(pid, 0) for pid, now in cpu_seconds(members).items()) / jobs
            for part, members in parts.items()
        }
        figures["bulk_statuses_per_s"] = ask_in_bulk(product.target)
        figures["ready_s"] = product.ready_s
        figures["memory_mb"] = {
            part: max((p.memory_info().rss / 1e6 for p in members if p.is_running()), default=None)
            for part, members in parts.items()
            if part != "database"
        }
    return figures


def measure_peer(peer: Peer, plan: Plan) -> Figures:
    """Start a peer and load it."""
    with running_peer(peer) as target:
        before = cpu_seconds([p for pid in target.pids for p in family_of(pid)])
        figures = load(plan, target)
        after = cpu_seconds([p for pid in target.pids for p in family_of(pid)])
        used = sum(now - before.get(pid, 0) for pid, now in after.items())
        figures["cpu_ms_per_job"] = {"all": 1000 * used / max(1, figures["jobs_in_all"])}
    return figures


def load(plan: Plan, target: Target) -> Figures:
    """Put the load on a target, from a process of its own."""
    command = ["bench.load", "--pictures", str(plan.pictures), "--url", target.url]
    command += ["--in-flight", str(plan.in_flight), "--warm-up", str(plan.warm_up_s), "--seconds", str(plan.seconds)]
    command += ["--asynchronous"] if target.asynchronous else []
    command += ["--field", target.field] if target.field else []
    return run_module(command, target)


def ask_in_bulk(target: Target) -> float:
    """Return job statuses per second through the bulk endpoint, nothing else going on."""
    return float(run_module(["bench.bulk_status", "--url", target.url], target)["statuses_per_s"])


def run_module(command: list[str], target: Target) -> Figures:
    """Run one of the bench's modules and read what it prints.

    Raises:
        RuntimeError: it failed; the message is what it said.
    """
    environment = environment_for(ROOT, BENCH_TOKEN=target.token or "")
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def core_count() -> int:
    """Return the cores there are."""
    return os.cpu_count() or 1
