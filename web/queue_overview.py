"""What the admin sees of the queue: who works, what waits, what was set aside. No labels, no pictures."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from shared.database import now_ms
from shared.jobs.states import Status
from shared.presence import SILENT_MS
from shared.tables import jobs, users, workers

TROUBLED_SHOWN = 50


@dataclass(frozen=True)
class QueueOverview:
    """The queue at a moment. Ages are in seconds."""

    queued: int
    running: int
    oldest_queued_s: int | None
    workers: list[Row[Any]]
    troubled: list[Row[Any]]

    @property
    def live_processes(self) -> int:
        """Worker processes seen lately."""
        return sum(worker.process_count for worker in self.workers if worker.is_alive)


def queue_overview(connection: Connection) -> QueueOverview:
    """Look at the queue; only unfinished jobs are counted, however many there have ever been."""
    oldest = select((now_ms() - func.min(jobs.c.created_ms)) / 1000).where(jobs.c.status == Status.QUEUED)
    oldest_s = connection.execute(oldest).scalar_one()
    return QueueOverview(
        queued=count(connection, Status.QUEUED),
        running=count(connection, Status.RUNNING),
        oldest_queued_s=None if oldest_s is None else int(oldest_s),
        workers=seen_workers(connection),
        troubled=troubled_jobs(connection),
    )


def count(connection: Connection, status: Status) -> int:
    """Return how many jobs are in a state; meant for the states that jobs leave."""
    return int(connection.execute(select(func.count()).where(jobs.c.status == status)).scalar_one())


def seen_workers(connection: Connection) -> list[Row[Any]]:
    """Return the workers of the last hour, those alive first."""
    silent_ms = now_ms() - workers.c.seen_ms
    query = select(
        workers.c.host,
        workers.c.process_count,
        workers.c.model_sha256,
        workers.c.started_ms,
        (silent_ms < SILENT_MS).label("is_alive"),
        (silent_ms / 1000).label("silent_s"),
    ).order_by(workers.c.seen_ms.desc())
    return list(connection.execute(query))


def troubled_jobs(connection: Connection) -> list[Row[Any]]:
    """Return the newest failed and dead jobs, with whose they are."""
    found: list[Row[Any]] = []
    for status in (Status.DEAD, Status.FAILED):
        query = (
            select(jobs.c.id, users.c.name, jobs.c.status, jobs.c.error_code, jobs.c.attempt, jobs.c.finished_ms)
            .join(users, users.c.id == jobs.c.user_id)
            .where(jobs.c.status == status, jobs.c.deleted_ms.is_(None))
            .order_by(jobs.c.id.desc())
            .limit(TROUBLED_SHOWN)
        )
        found += connection.execute(query)
    return sorted(found, key=lambda row: row.finished_ms, reverse=True)[:TROUBLED_SHOWN]
