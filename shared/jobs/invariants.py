"""The checker: replays the log of transitions and looks for what must never be. Run by tests, and on demand.

Reads only. `python -m shared.jobs.invariants` prints what it found and exits with 1 if that is anything.
"""

import sys
from collections.abc import Iterator

from sqlalchemy import Connection, Row, func, select

from shared.database import Database
from shared.jobs.states import ALLOWED, TERMINAL, Status
from shared.settings import load_settings
from shared.tables import job_events, jobs, results, scans, usage


def violations(connection: Connection) -> Iterator[str]:
    """Yield a sentence for every broken promise."""
    yield from broken_histories(connection)
    yield from broken_results(connection)
    yield from broken_usage(connection)


def broken_histories(connection: Connection) -> Iterator[str]:
    """Replay each job's events: allowed transitions only, fences rising, and the last event the job's state."""
    events = select(job_events.c.job_id, job_events.c.from_status, job_events.c.to_status, job_events.c.fence).order_by(
        job_events.c.job_id, job_events.c.seq
    )
    last: dict[str, Row] = {}
    for event in connection.execute(events):
        before = last.get(event.job_id)
        change = (Status(event.from_status) if event.from_status else None, Status(event.to_status))
        if change not in ALLOWED:
            yield f"job {event.job_id}: {event.from_status} to {event.to_status} is not allowed"
        if event.from_status != (before.to_status if before else None):
            yield f"job {event.job_id}: leaves {event.from_status}, but was {before and before.to_status}"
        # Succeeding keeps the fence of its claim; everything else raises it.
        if before and event.fence < before.fence + (change[1] is not Status.SUCCEEDED):
            yield f"job {event.job_id}: fence {event.fence} after {before.fence}"
        last[event.job_id] = event
    for job in connection.execute(select(jobs.c.id, jobs.c.status)):
        logged = last.get(job.id)
        if logged is None or logged.to_status != job.status:
            yield f"job {job.id}: is {job.status}, its log says {logged.to_status if logged else 'nothing'}"


def broken_results(connection: Connection) -> Iterator[str]:
    """A job has a result if and only if it succeeded and was not deleted, and its fence is the job's."""
    query = select(jobs.c.id, jobs.c.status, jobs.c.fence, jobs.c.deleted_ms, results.c.fence.label("result_fence"))
    for job in connection.execute(query.select_from(jobs.outerjoin(results, results.c.job_id == jobs.c.id))):
        wanted = job.status == Status.SUCCEEDED and job.deleted_ms is None
        if wanted and job.result_fence is None:
            yield f"job {job.id}: succeeded without a result"
        if job.result_fence is not None and job.status != Status.SUCCEEDED and job.deleted_ms is None:
            yield f"job {job.id}: has a result but is {job.status}"
        if job.result_fence is not None and job.status == Status.SUCCEEDED and job.result_fence != job.fence:
            yield f"job {job.id}: result of fence {job.result_fence}, job of fence {job.fence}"


def broken_usage(connection: Connection) -> Iterator[str]:
    """What is kept of a user's stored bytes is what counting gives."""
    there = select(scans.c.user_id, func.sum(scans.c.size_bytes)).where(scans.c.purged_ms.is_(None))
    counted = {user: int(total) for user, total in connection.execute(there.group_by(scans.c.user_id))}
    sums = select(usage.c.user_id, func.sum(usage.c.stored_bytes)).group_by(usage.c.user_id)
    kept = {user: int(total) for user, total in connection.execute(sums)}
    for user in counted.keys() | kept.keys():
        if counted.get(user, 0) != kept.get(user, 0):
            yield f"user {user}: stores {counted.get(user, 0)} bytes, {kept.get(user, 0)} are noted"


def unfinished(connection: Connection) -> int:
    """Return how many jobs have not ended."""
    query = select(func.count()).select_from(jobs).where(jobs.c.status.not_in(TERMINAL))
    return int(connection.execute(query).scalar_one())


def main() -> int:
    """Check the database of the settings."""
    database = Database(load_settings().effective_database_url)
    with database.read() as connection:
        found = list(violations(connection))
        count = connection.execute(select(func.count()).select_from(jobs)).scalar_one()
    print("\n".join([*found, f"{count} jobs checked, {len(found)} violations"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
