"""`python -m bench.startup`: from nothing running to ready, on data that is there; one JSON object.

`run.py` is ready at the first good answer of `/readyz`. A worker is ready when it claims a job whose doorbell lay in
the broker before it: the claim in the database less the time the workers' main process began.
"""

import io
import json
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import cv2
import psutil
from sqlalchemy import select

from bench.processes import family_of
from bench.product import Product, settings, start
from models.phantom import draw_phantom
from shared.database import Database
from shared.jobs.submit import StoredScan, submit
from shared.queue import make_celery, ring
from shared.settings import load_settings
from shared.storage import open_storage
from shared.tables import jobs, users

REPEATS = 3
CLAIMED_S = 30


def queue_a_job(environment: dict[str, str]) -> str:
    """Queue a job while nothing runs; return its id."""
    found = load_settings(environment)
    database = Database(found.effective_database_url)
    content = cv2.imencode(".png", draw_phantom(1).pixels)[1].tobytes()
    kept = open_storage(found.effective_storage_url).put(io.BytesIO(content), limit_bytes=10**8)
    with database.transaction() as connection:
        user_id = connection.execute(select(users.c.id).limit(1)).scalar_one()
        made = submit(connection, user_id, [StoredScan(kept.sha256, kept.size_bytes, "png")])
    database.close()
    return made.job_ids[0]


def ring_early(environment: dict[str, str], job_id: str) -> None:
    """Ring as soon as the broker answers, before any worker listens."""
    app = make_celery(load_settings(environment).effective_redis_url)
    while not ring(app, [job_id]):
        time.sleep(0.05)


def claimed_ms(product: Product, job_id: str) -> int:
    """Return when a job was first claimed, waiting until it is."""
    database = Database(load_settings(product.environment).effective_database_url)
    give_up_s = time.monotonic() + CLAIMED_S
    try:
        while time.monotonic() < give_up_s:
            with database.read() as connection:
                found = connection.execute(select(jobs.c.started_ms).where(jobs.c.id == job_id)).scalar_one()
            if found is not None:
                return int(found)
            time.sleep(0.05)
    finally:
        database.close()
    raise RuntimeError("nobody claimed the job")


def worker_began_s(product: Product) -> float:
    """Return when the workers' main process began, seconds since 1970."""
    family: list[psutil.Process] = family_of(product.target.pids[0])
    return float(min(p.create_time() for p in family if "worker.app" in " ".join(p.cmdline())))


def main() -> None:
    """Print the medians."""
    ready_s, worker_s = [], []
    with tempfile.TemporaryDirectory(prefix="hepaq-startup-") as name:
        environment = settings(Path(name), 2, "", "")
        with start(Path(name), environment):
            pass
        for _ in range(REPEATS):
            job_id = queue_a_job(environment)
            threading.Thread(target=ring_early, args=(environment, job_id), daemon=True).start()
            with start(Path(name), environment) as product:
                ready_s.append(product.ready_s)
                worker_s.append(claimed_ms(product, job_id) / 1000 - worker_began_s(product))
    print(json.dumps({"ready_s": median(ready_s), "worker_ready_s": median(worker_s)}))


if __name__ == "__main__":
    main()
