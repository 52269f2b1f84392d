"""The log of transitions: written with each of them, replayed by the checker."""

import logging
from collections.abc import Mapping

from sqlalchemy import Connection, insert

from shared.database import now_ms
from shared.jobs.states import Status
from shared.tables import job_events

logger = logging.getLogger(__name__)


INSERT = insert(job_events).values(at_ms=now_ms())


def record(
    connection: Connection, fences: Mapping[str, int], change: tuple[Status | None, Status], *, actor: str, reason: str
) -> None:
    """Write a transition into the log, in the transaction that makes it.

    Args:
        connection: of that transaction.
        fences: of each job that makes it, by the job's id.
        change: the status before and after.
        actor: who makes it.
        reason: why.
    """
    before, after = change
    said = {"from_status": before, "to_status": after, "actor": actor, "reason": reason}
    connection.execute(INSERT, [said | {"job_id": job_id, "fence": fence} for job_id, fence in fences.items()])
    for job_id, fence in fences.items():
        logger.info("job_id=%s from=%s to=%s fence=%d reason=%s", job_id, before or "-", after, fence, reason)
