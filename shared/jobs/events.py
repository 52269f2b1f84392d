"""The log of transitions: written with each of them, replayed by the checker."""

import logging

from sqlalchemy import Connection, insert

from shared.database import now_ms
from shared.jobs.states import Status
from shared.tables import job_events

logger = logging.getLogger(__name__)


def record(
    connection: Connection, job_id: str, change: tuple[Status | None, Status], *, fence: int, actor: str, reason: str
) -> None:
    """Write one transition into the log, in the transaction that makes it."""
    before, after = change
    connection.execute(
        insert(job_events).values(
            job_id=job_id, from_status=before, to_status=after, fence=fence, actor=actor, reason=reason, at_ms=now_ms()
        )
    )
    logger.info("job_id=%s from=%s to=%s fence=%d reason=%s", job_id, before, after, fence, reason)
