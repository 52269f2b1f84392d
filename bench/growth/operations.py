"""The operations on the hot path, called as the product calls them."""

from collections.abc import Callable
from typing import Any

from bench.growth.fill import job_id
from shared.database import Database
from shared.jobs.claim import claim_due
from shared.jobs.reap import due_for_ringing, reap_expired
from shared.jobs.submit import StoredScan, check_quota, submit
from web.queries import find_job, find_jobs, list_jobs, queue_position

BATCH = 8


def operations(database: Database, user_id: str, count: int) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name, on a database that holds so many jobs."""
    middle = job_id(count // 2)
    many = [job_id(count * place // 50) for place in range(50)]

    def status() -> None:
        with database.read() as connection:
            queue_position(connection, find_job(connection, user_id, middle))

    def put() -> None:
        with database.read() as connection:
            limits = {"max_active_jobs": 5000, "max_stored_bytes": 10**15}
            check_quota(connection, user_id, more_jobs=1, more_bytes=1, **limits)
        database.run(lambda connection: submit(connection, user_id, [StoredScan("f" * 64, 1, "png")]))

    def claim() -> None:
        database.run(lambda c: claim_due(c, "bench", limit=BATCH, lease_s=3600, deadline_s=3600))

    def keep() -> None:
        database.run(lambda c: reap_expired(c, actor="bench", max_attempts=5, max_crashes=3))
        database.run(lambda c: due_for_ringing(c, ring_again_s=3600))

    def page(**how: Any) -> Callable[[], object]:
        def look() -> None:
            with database.read() as connection:
                list_jobs(connection, user_id, **how)

        return look

    def bulk() -> None:
        with database.read() as connection:
            find_jobs(connection, user_id, many)

    return {
        "submit": put,
        "claim of up to 8": claim,
        "status": status,
        "status of 50": bulk,
        "list, first page": page(),
        "list, from the middle": page(cursor=middle),
        "list, failed only": page(status="failed"),
        "keeper's round": keep,
    }
