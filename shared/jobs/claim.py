"""A worker takes due jobs."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from shared.database import now_ms
from shared.jobs.events import record
from shared.jobs.states import Phase, Status
from shared.tables import jobs, scans


@dataclass(frozen=True)
class Claim:
    """The right to work on one job, as long as its fence is the newest."""

    job_id: str
    fence: int
    attempt: int
    crash_count: int
    content_sha256: str
    size_bytes: int


def claim_due(connection: Connection, worker_id: str, *, limit: int, lease_s: float, deadline_s: float) -> list[Claim]:
    """Claim up to `limit` due jobs, oldest first; two workers never get the same one.

    Rows locked by another claim are passed over on MySQL and MariaDB; SQLite has one writer at a time.
    """
    due = (
        select(jobs.c.id)
        .where(jobs.c.status == Status.QUEUED, jobs.c.available_ms <= now_ms(), jobs.c.cancel_requested_ms.is_(None))
        .order_by(jobs.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = connection.execute(due).scalars().all()
    if not ids:
        return []
    connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(ids), jobs.c.status == Status.QUEUED)
        .values(
            status=Status.RUNNING,
            phase=Phase.DECODING,
            progress_percent=0,
            attempt=jobs.c.attempt + 1,
            fence=jobs.c.fence + 1,
            version=jobs.c.version + 1,
            worker_id=worker_id,
            started_ms=func.coalesce(jobs.c.started_ms, now_ms()),
            lease_until_ms=now_ms() + int(lease_s * 1000),
            deadline_ms=now_ms() + int(deadline_s * 1000),
        )
    )
    claimed = (
        select(jobs.c.id, jobs.c.fence, jobs.c.attempt, jobs.c.crash_count, scans.c.content_sha256, scans.c.size_bytes)
        .join(scans, scans.c.id == jobs.c.scan_id)
        .where(jobs.c.id.in_(ids))
        .order_by(jobs.c.id)
    )
    claims = [Claim(*row) for row in connection.execute(claimed)]
    fences = {claim.job_id: claim.fence for claim in claims}
    record(connection, fences, (Status.QUEUED, Status.RUNNING), actor=worker_id, reason="claimed")
    return claims
