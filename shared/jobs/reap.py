"""The keeper takes jobs from workers that fell silent, and finds due jobs whose doorbell was lost."""

from sqlalchemy import Connection, Row, select, update

from shared.database import now_ms
from shared.jobs.events import record
from shared.jobs.finish import FREED
from shared.jobs.states import Status
from shared.tables import jobs

LOST_WORKER = "worker_lost"
LOST_WORKER_DETAIL = "The worker that had this job stopped answering."
POISON_DETAIL = "Workers keep stopping while they work on this scan; it is set aside."
BATCH = 200


def reap_expired(connection: Connection, *, actor: str, max_attempts: int, max_crashes: int) -> int:
    """Take back jobs whose lease is over: queued again, dead after too many deaths, cancelled where asked for."""
    expired = (
        select(jobs.c.id, jobs.c.fence, jobs.c.attempt, jobs.c.crash_count, jobs.c.cancel_requested_ms)
        .where(jobs.c.status == Status.RUNNING, jobs.c.lease_until_ms < now_ms())
        .order_by(jobs.c.lease_until_ms)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    reaped = 0
    for row in connection.execute(expired).all():
        status, values = verdict(row, max_attempts=max_attempts, max_crashes=max_crashes)
        taken = connection.execute(
            update(jobs)
            .where(jobs.c.id == row.id, jobs.c.fence == row.fence, jobs.c.status == Status.RUNNING)
            .values(
                status=status,
                fence=jobs.c.fence + 1,
                crash_count=jobs.c.crash_count + 1,
                version=jobs.c.version + 1,
                **FREED,
                **values,
            )
        )
        if taken.rowcount:
            reason = str(values.get("error_code", "cancelled"))
            change = (Status.RUNNING, status)
            record(connection, {row.id: row.fence + 1}, change, actor=actor, reason=reason)
            reaped += 1
    return reaped


def verdict(row: Row, *, max_attempts: int, max_crashes: int) -> tuple[Status, dict[str, object]]:
    """Decide what becomes of a job whose worker is gone."""
    if row.cancel_requested_ms is not None:
        return Status.CANCELLED, {"finished_ms": now_ms()}
    error: dict[str, object] = {"error_code": LOST_WORKER, "error_detail": LOST_WORKER_DETAIL}
    if row.crash_count + 1 >= max_crashes:
        return Status.DEAD, {"error_code": "poison", "error_detail": POISON_DETAIL, "finished_ms": now_ms()}
    if row.attempt >= max_attempts:
        return Status.DEAD, {**error, "finished_ms": now_ms()}
    return Status.QUEUED, {**error, "progress_percent": 0, "available_ms": now_ms(), "published_ms": 0}


def due_for_ringing(connection: Connection, *, ring_again_s: float) -> list[str]:
    """Return due jobs that nobody was told about lately, and note that they are told about now."""
    unheard = (
        select(jobs.c.id)
        .where(
            jobs.c.status == Status.QUEUED,
            jobs.c.published_ms < now_ms() - int(ring_again_s * 1000),
            jobs.c.available_ms <= now_ms(),
        )
        .order_by(jobs.c.published_ms)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.execute(unheard).scalars())
    if ids:
        connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(published_ms=now_ms()))
    return ids
