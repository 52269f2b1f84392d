"""A worker ends a job: with a result, with the scan's fault, or with a fault worth another attempt."""

import random
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, update

from shared.database import now_ms
from shared.jobs.claim import Claim
from shared.jobs.events import record
from shared.jobs.lease import OWNED, owning
from shared.jobs.states import Status
from shared.tables import artifacts, jobs, lesions, results, slices

MAX_BACKOFF_S = 300.0
FREED: dict[str, Any] = {"phase": None, "worker_id": None, "lease_until_ms": None, "deadline_ms": None}
SUCCEED = (
    update(jobs)
    .where(OWNED, jobs.c.cancel_requested_ms.is_(None))
    .values(
        status=Status.SUCCEEDED,
        progress_percent=100,
        finished_ms=now_ms(),
        version=jobs.c.version + 1,
        error_code=None,
        error_detail=None,
        **FREED,
    )
)
END = (
    update(jobs).where(OWNED).values(finished_ms=now_ms(), fence=jobs.c.fence + 1, version=jobs.c.version + 1, **FREED)
)
END_CANCELLED = END.where(jobs.c.cancel_requested_ms.is_not(None))
INSERT_RESULT = insert(results).values(created_ms=now_ms())
INSERT_LESIONS, INSERT_ARTIFACTS, INSERT_SLICES = insert(lesions), insert(artifacts), insert(slices)


@dataclass(frozen=True)
class Outcome:
    """Everything an analysis leaves behind, as rows."""

    result: dict[str, Any]
    lesions: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    slices: list[dict[str, Any]] = field(default_factory=list)


def succeed(connection: Connection, claim: Claim, outcome: Outcome, *, actor: str) -> bool:
    """Write the result and end the job; False, and nothing written, if the job is no longer ours or to be cancelled."""
    ended = connection.execute(SUCCEED, owning(claim))
    if not ended.rowcount:
        return False
    owner = {"job_id": claim.job_id}
    provenance = {"fence": claim.fence, "attempt": claim.attempt, "worker_id": actor}
    connection.execute(INSERT_RESULT, owner | provenance | outcome.result)
    for statement, rows in (
        (INSERT_LESIONS, outcome.lesions),
        (INSERT_ARTIFACTS, outcome.artifacts),
        (INSERT_SLICES, outcome.slices),
    ):
        if rows:
            connection.execute(statement, [owner | row for row in rows])
    change = (Status.RUNNING, Status.SUCCEEDED)
    record(connection, {claim.job_id: claim.fence}, change, actor=actor, reason="finished")
    return True


def fail(connection: Connection, claim: Claim, *, code: str, detail: str, actor: str) -> bool:
    """End the job with a fault of its scan; another attempt would fare no better."""
    return end_with_error(connection, claim, Status.FAILED, code=code, detail=detail, actor=actor)


def retry_or_die(
    connection: Connection, claim: Claim, *, code: str, detail: str, actor: str, max_attempts: int, backoff_s: float
) -> bool:
    """Queue the job again after a transient fault, later each time; after the last attempt it is dead."""
    if claim.attempt >= max_attempts:
        return end_with_error(connection, claim, Status.DEAD, code=code, detail=detail, actor=actor)
    delay_s = min(MAX_BACKOFF_S, backoff_s * 2 ** (claim.attempt - 1)) * random.uniform(0.5, 1.5)
    queued = connection.execute(
        update(jobs)
        .where(OWNED)
        .values(
            status=Status.QUEUED,
            progress_percent=0,
            fence=jobs.c.fence + 1,
            version=jobs.c.version + 1,
            available_ms=now_ms() + int(delay_s * 1000),
            published_ms=0,
            error_code=code,
            error_detail=detail[:300],
            **FREED,
        ),
        owning(claim),
    )
    if not queued.rowcount:
        return False
    change = (Status.RUNNING, Status.QUEUED)
    record(connection, {claim.job_id: claim.fence + 1}, change, actor=actor, reason=code)
    return True


def finish_cancelled(connection: Connection, claim: Claim, *, actor: str) -> bool:
    """End a running job that somebody asked to cancel."""
    ended = connection.execute(END_CANCELLED, owning(claim) | {"status": Status.CANCELLED})
    if not ended.rowcount:
        return False
    change = (Status.RUNNING, Status.CANCELLED)
    record(connection, {claim.job_id: claim.fence + 1}, change, actor=actor, reason="cancelled")
    return True


def end_with_error(connection: Connection, claim: Claim, status: Status, *, code: str, detail: str, actor: str) -> bool:
    """End the job as failed or dead with its code and sentence."""
    said = {"status": status, "error_code": code, "error_detail": detail[:300]}
    ended = connection.execute(END, owning(claim) | said)
    if not ended.rowcount:
        return False
    record(connection, {claim.job_id: claim.fence + 1}, (Status.RUNNING, status), actor=actor, reason=code)
    return True
