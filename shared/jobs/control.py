"""What people do to jobs: cancel, retry, delete."""

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, select, update

from shared.database import now_ms
from shared.errors import Conflict, NotFound
from shared.jobs.events import record
from shared.jobs.states import TERMINAL, Status
from shared.tables import artifacts, jobs, lesions, results, slices

RETRYABLE = (Status.FAILED, Status.DEAD, Status.CANCELLED)


def own_job(connection: Connection, user_id: str, job_id: str) -> Row:
    """Lock and return a user's job.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    query = (
        select(jobs.c.id, jobs.c.status, jobs.c.fence, jobs.c.cancel_requested_ms, jobs.c.scan_id)
        .where(jobs.c.id == job_id, jobs.c.user_id == user_id, jobs.c.deleted_ms.is_(None))
        .with_for_update()
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("There is no such job.")
    return row


def unchanged(row: Row) -> ColumnElement[bool]:
    """The condition that a job is still as it was read."""
    return and_(jobs.c.id == row.id, jobs.c.status == row.status, jobs.c.fence == row.fence)


def cancel(connection: Connection, user_id: str, job_id: str) -> Status:
    """Cancel a queued job at once; ask a running one to stop. Twice is as good as once.

    Returns:
        The status after the call: cancelled, or running with the request noted.

    Raises:
        NotFound: no such job of this user.
        Conflict: the job has ended otherwise.
    """
    row = own_job(connection, user_id, job_id)
    if row.status == Status.CANCELLED:
        return Status.CANCELLED
    if row.status == Status.RUNNING:
        if row.cancel_requested_ms is None:
            connection.execute(
                update(jobs).where(unchanged(row)).values(cancel_requested_ms=now_ms(), version=jobs.c.version + 1)
            )
        return Status.RUNNING
    if row.status != Status.QUEUED:
        raise Conflict(f"This job has already ended ({row.status}).", code="job_already_ended")
    connection.execute(
        update(jobs)
        .where(unchanged(row))
        .values(
            status=Status.CANCELLED,
            cancel_requested_ms=now_ms(),
            finished_ms=now_ms(),
            fence=jobs.c.fence + 1,
            version=jobs.c.version + 1,
        )
    )
    change = (Status.QUEUED, Status.CANCELLED)
    record(connection, {job_id: row.fence + 1}, change, actor=user_id, reason="cancelled")
    return Status.CANCELLED


def retry(connection: Connection, user_id: str, job_id: str) -> None:
    """Queue a failed, dead or cancelled job again, with all its attempts before it.

    Raises:
        NotFound: no such job of this user.
        Conflict: the job is waiting, running or has succeeded.
    """
    row = own_job(connection, user_id, job_id)
    if row.status not in RETRYABLE:
        raise Conflict(
            f"Only a failed or cancelled job can be run again; this one is {row.status}.", code="not_retryable"
        )
    connection.execute(
        update(jobs)
        .where(unchanged(row))
        .values(
            status=Status.QUEUED,
            phase=None,
            progress_percent=0,
            attempt=0,
            crash_count=0,
            fence=jobs.c.fence + 1,
            version=jobs.c.version + 1,
            available_ms=now_ms(),
            published_ms=now_ms(),
            cancel_requested_ms=None,
            error_code=None,
            error_detail=None,
            finished_ms=None,
        )
    )
    change = (Status(row.status), Status.QUEUED)
    record(connection, {job_id: row.fence + 1}, change, actor=user_id, reason="retried")


def delete_job(connection: Connection, user_id: str, job_id: str) -> None:
    """Hide a job for good and drop its result; an unfinished one is cancelled first.

    The row and its events stay as a record without pixels; the keeper removes the scan once nothing refers to it.

    Raises:
        NotFound: no such job of this user.
    """
    row = own_job(connection, user_id, job_id)
    if row.status not in TERMINAL:
        cancel(connection, user_id, job_id)
    drop_result(connection, job_id)
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(deleted_ms=now_ms(), version=jobs.c.version + 1))


def drop_result(connection: Connection, job_id: str) -> None:
    """Remove everything an analysis left behind."""
    for table in (slices, artifacts, lesions, results):
        connection.execute(delete(table).where(table.c.job_id == job_id))
