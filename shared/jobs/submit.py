"""Stored scans become queued jobs, all in one transaction."""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select
from sqlalchemy.exc import IntegrityError

from shared.database import now_ms
from shared.errors import Conflict, TooMany
from shared.identifiers import new_id
from shared.jobs.events import record
from shared.jobs.states import ACTIVE, Status
from shared.jobs.usage import STORED_BYTES, add_stored_bytes
from shared.tables import jobs, scans, submissions

NOW = select(now_ms())
INSERT_SUBMISSION, INSERT_SCANS, INSERT_JOBS = insert(submissions), insert(scans), insert(jobs)
# Bounded: never looks at more rows than the limit allows.
UNFINISHED = (
    select(jobs.c.id)
    .where(jobs.c.user_id == bindparam("user_id"), jobs.c.status.in_(ACTIVE))
    .limit(bindparam("at_most"))
    .subquery()
)
HELD = select(select(func.count()).select_from(UNFINISHED).scalar_subquery(), STORED_BYTES)


@dataclass(frozen=True)
class StoredScan:
    """A scan that is durable in storage but has no job yet."""

    content_sha256: str
    size_bytes: int
    format: str


@dataclass(frozen=True)
class Submission:
    """What one upload became.

    Attributes:
        id: its own.
        created_ms: when, by the database's clock.
        label: of all its scans.
        scans: what was stored, in the order of the upload.
        job_ids: their jobs.
        replayed: whether the jobs are those of an earlier upload with the same key.
    """

    id: str
    created_ms: int
    label: str | None
    scans: tuple[StoredScan, ...]
    job_ids: tuple[str, ...]
    replayed: bool


def submit(
    connection: Connection,
    user_id: str,
    stored: list[StoredScan],
    *,
    label: str | None = None,
    idempotency_key: str | None = None,
) -> Submission:
    """Insert the submission, its scans, its queued jobs and their first events.

    The same idempotency key with the same content answers with the first submission instead of making another.

    Raises:
        Conflict: the idempotency key was used for other content.
    """
    digest = content_digest(stored, label)
    created_ms = connection.execute(NOW).scalar_one()
    row = {
        "id": new_id(),
        "user_id": user_id,
        "idempotency_key": idempotency_key,
        "content_sha256": digest,
        "scan_count": len(stored),
        "created_ms": created_ms,
    }
    if idempotency_key is None:
        connection.execute(INSERT_SUBMISSION, row)
    else:
        if earlier := find_earlier(connection, row, stored, label):
            return earlier
        try:
            with connection.begin_nested():
                connection.execute(INSERT_SUBMISSION, row)
        except IntegrityError:
            # Another request with the same key was faster; its row is committed, for the insert waited for it.
            earlier = find_earlier(connection, row, stored, label)
            if earlier is None:
                raise
            return earlier
    ids = insert_jobs(connection, row, stored, label)
    return Submission(str(row["id"]), created_ms, label, tuple(stored), ids, replayed=False)


def insert_jobs(
    connection: Connection, submission: dict[str, Any], stored: list[StoredScan], label: str | None
) -> tuple[str, ...]:
    """Insert a submission's scans, queued jobs and events; return the jobs' ids."""
    user_id, created_ms = submission["user_id"], submission["created_ms"]
    owned = {"user_id": user_id, "created_ms": created_ms}
    scan_rows = [{"id": new_id(), "label": label, **vars(scan), **owned} for scan in stored]
    job_rows = [
        {
            "id": new_id(),
            "scan_id": row["id"],
            "submission_id": submission["id"],
            "submission_index": index,
            "status": Status.QUEUED,
            "available_ms": created_ms,
            # The caller rings right after the commit; if that is lost, the keeper rings again.
            "published_ms": created_ms,
            **owned,
        }
        for index, row in enumerate(scan_rows, 1)
    ]
    connection.execute(INSERT_SCANS, scan_rows)
    connection.execute(INSERT_JOBS, job_rows)
    add_stored_bytes(connection, user_id, sum(scan.size_bytes for scan in stored))
    ids = tuple(str(row["id"]) for row in job_rows)
    record(connection, dict.fromkeys(ids, 0), (None, Status.QUEUED), actor=user_id, reason="submitted")
    return ids


def content_digest(stored: list[StoredScan], label: str | None) -> str:
    """Return one digest over everything a submission says."""
    text = "\n".join([label or "", *(scan.content_sha256 for scan in stored)])
    return hashlib.sha256(text.encode()).hexdigest()


def find_earlier(
    connection: Connection, submission: dict[str, Any], stored: list[StoredScan], label: str | None
) -> Submission | None:
    """Return the submission made before with this one's key, if any.

    Raises:
        Conflict: it had other content.
    """
    query = select(submissions.c.id, submissions.c.content_sha256, submissions.c.created_ms).where(
        submissions.c.user_id == submission["user_id"],
        submissions.c.idempotency_key == submission["idempotency_key"],
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.content_sha256 != submission["content_sha256"]:
        raise Conflict("This Idempotency-Key was used for another upload.", code="idempotency_key_reused")
    ids = connection.execute(
        select(jobs.c.id).where(jobs.c.submission_id == row.id).order_by(jobs.c.submission_index)
    ).scalars()
    return Submission(row.id, row.created_ms, label, tuple(stored), tuple(ids), replayed=True)


def check_quota(
    connection: Connection,
    user_id: str,
    *,
    more_jobs: int,
    more_bytes: int,
    max_active_jobs: int,
    max_stored_bytes: int,
) -> None:
    """Refuse an upload that would take a user over a quota.

    Raises:
        TooMany: too many unfinished jobs, or too many bytes stored.
    """
    active_jobs, bytes_now = connection.execute(HELD, {"user_id": user_id, "at_most": max_active_jobs + 1}).one()
    if active_jobs + more_jobs > max_active_jobs:
        raise TooMany(
            f"You may have {max_active_jobs} unfinished jobs; please wait until some are done.",
            retry_after_s=60,
            code="quota_jobs",
        )
    if bytes_now + more_bytes > max_stored_bytes:
        raise TooMany(
            "Your storage quota is used up; please delete jobs you no longer need.",
            retry_after_s=3600,
            code="quota_bytes",
        )
