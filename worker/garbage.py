"""Clear away what nobody needs: interrupted uploads, deleted jobs' scans, and by the retention setting old results."""

import logging

from sqlalchemy import Connection, select, update

from shared.database import Database, now_ms
from shared.jobs.control import drop_result
from shared.jobs.states import TERMINAL
from shared.settings import Settings
from shared.storage import Storage
from shared.tables import jobs, scans

logger = logging.getLogger(__name__)

INCOMING_AGE_S = 3600
DAY_MS = 86_400_000
BATCH = 500


def collect_garbage(database: Database, storage: Storage, settings: Settings) -> None:
    """One round; what is too much for it is left to the next."""
    swept = storage.sweep(older_than_s=INCOMING_AGE_S)
    expired = 0
    if settings.retention_days:
        expired = database.run(lambda c: expire_jobs(c, settings.retention_days))
    purged = database.run(lambda c: purge_scans(c, storage))
    if swept or expired or purged:
        logger.info("garbage interrupted_uploads=%d expired_jobs=%d purged_scans=%d", swept, expired, purged)


def expire_jobs(connection: Connection, retention_days: int) -> int:
    """Delete finished jobs that are older than the retention; their rows stay as a record without pixels."""
    old = (
        select(jobs.c.id)
        .where(
            jobs.c.status.in_(TERMINAL),
            jobs.c.deleted_ms.is_(None),
            jobs.c.finished_ms < now_ms() - retention_days * DAY_MS,
        )
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    ids = connection.execute(old).scalars().all()
    for job_id in ids:
        drop_result(connection, job_id)
    if ids:
        connection.execute(
            update(jobs).where(jobs.c.id.in_(ids)).values(deleted_ms=now_ms(), version=jobs.c.version + 1)
        )
    return len(ids)


def purge_scans(connection: Connection, storage: Storage) -> int:
    """Remove the objects of deleted jobs, unless another scan has the same content.

    A job that was running when it was deleted may have left a result behind; it goes here too. The object is removed
    inside the transaction that notes it: an upload of the same bytes renames its own copy into place and then inserts
    its row, so at worst the object is stored again.
    """
    query = (
        select(scans.c.id, scans.c.content_sha256, jobs.c.id.label("job_id"))
        .join(jobs, jobs.c.scan_id == scans.c.id)
        .where(jobs.c.deleted_ms.is_not(None), jobs.c.status.in_(TERMINAL), scans.c.purged_ms.is_(None))
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(query).all()
    for row in rows:
        drop_result(connection, row.job_id)
        connection.execute(update(scans).where(scans.c.id == row.id).values(purged_ms=now_ms()))
        shared_by = select(scans.c.id).where(scans.c.content_sha256 == row.content_sha256, scans.c.purged_ms.is_(None))
        if connection.execute(shared_by.limit(1)).first() is None:
            storage.delete(row.content_sha256)
    return len(rows)
