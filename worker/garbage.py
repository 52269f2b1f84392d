"""Clear away what nobody needs: interrupted uploads, deleted jobs' scans, and by the retention setting old results."""

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from sqlalchemy import Connection, Row, select, update

from shared.database import Database, now_ms
from shared.jobs.control import drop_result
from shared.jobs.states import TERMINAL
from shared.jobs.usage import add_stored_bytes
from shared.settings import Settings
from shared.storage import Storage
from shared.tables import jobs, scans

logger = logging.getLogger(__name__)

INCOMING_AGE_S = 3600
# An upload of the same bytes that is under way right now puts its object before its row: young objects stay.
UNUSED_S = 600
ORPHAN_AGE_S = 86_400
DAY_MS = 86_400_000
BATCH = 500


def collect_garbage(database: Database, storage: Storage, settings: Settings) -> None:
    """One round; what is too much for it is left to the next."""
    swept = storage.sweep(older_than_s=INCOMING_AGE_S)
    expired = 0
    if settings.retention_days:
        expired = database.run(lambda c: expire_jobs(c, settings.retention_days))
    purged = purge_scans(database, storage)
    if swept or expired or purged:
        logger.info("garbage interrupted_uploads=%d expired_jobs=%d purged_scans=%d", swept, expired, purged)


def collect_orphans(database: Database, storage: Storage) -> int:
    """Remove objects that no scan refers to, as a refused upload or a lost database leaves them; return how many."""
    removed = 0
    for names in batched(storage.names(unused_for_s=ORPHAN_AGE_S), BATCH):
        with database.read() as connection:
            query = select(scans.c.content_sha256).where(scans.c.content_sha256.in_(names), scans.c.purged_ms.is_(None))
            wanted = set(connection.execute(query).scalars())
        for name in set(names) - wanted:
            removed += storage.delete(name, unused_for_s=ORPHAN_AGE_S)
    if removed:
        logger.info("garbage orphaned_objects=%d", removed)
    return removed


def batched(names: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield lists of `size` names, the last one shorter."""
    rest = iter(names)
    while batch := list(islice(rest, size)):
        yield batch


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


def purge_scans(database: Database, storage: Storage) -> int:
    """Remove the objects of deleted jobs' scans, unless another scan has the same content; return how many scans."""
    query = (
        select(scans.c.id, scans.c.user_id, scans.c.size_bytes, scans.c.content_sha256, jobs.c.id.label("job_id"))
        .join(jobs, jobs.c.scan_id == scans.c.id)
        .where(jobs.c.deleted_ms.is_not(None), jobs.c.status.in_(TERMINAL), scans.c.purged_ms.is_(None))
        .limit(BATCH)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return sum(database.run(partial(purge_scan, storage=storage, row=row)) for row in rows)


def purge_scan(connection: Connection, storage: Storage, row: Row) -> bool:
    """Remove a scan's object if nobody else needs it, and note it; False if the object is too young to be removed."""
    # A job that was running when it was deleted may have left a result behind.
    drop_result(connection, row.job_id)
    shared_by = select(scans.c.id).where(
        scans.c.content_sha256 == row.content_sha256, scans.c.purged_ms.is_(None), scans.c.id != row.id
    )
    is_shared = connection.execute(shared_by.limit(1)).first() is not None
    if not is_shared and not storage.delete(row.content_sha256, unused_for_s=UNUSED_S):
        return False
    purged = connection.execute(
        update(scans).where(scans.c.id == row.id, scans.c.purged_ms.is_(None)).values(purged_ms=now_ms())
    )
    # Two keepers may come by at once; one of them frees the user's quota.
    if purged.rowcount:
        add_stored_bytes(connection, row.user_id, -row.size_bytes)
    return bool(purged.rowcount)
