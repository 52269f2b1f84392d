"""Which workers are alive: a row each, touched by its keeper."""

from sqlalchemy import Connection, delete, func, insert, select, update

from shared.database import now_ms
from shared.tables import workers

SILENT_MS = 30_000
FORGOTTEN_MS = 3_600_000


def note_presence(connection: Connection, worker_id: str, *, host: str, process_count: int, model_sha256: str) -> None:
    """Say that a worker is alive."""
    seen = {"seen_ms": now_ms(), "process_count": process_count, "model_sha256": model_sha256}
    touched = connection.execute(update(workers).where(workers.c.id == worker_id).values(**seen))
    if not touched.rowcount:
        connection.execute(insert(workers).values(id=worker_id, host=host, started_ms=now_ms(), **seen))


def forget_silent_workers(connection: Connection) -> None:
    """Remove the rows of workers that ended an hour ago or more."""
    connection.execute(delete(workers).where(workers.c.seen_ms < now_ms() - FORGOTTEN_MS))


def live_processes(connection: Connection) -> int:
    """Return how many worker processes were alive half a minute ago."""
    alive = select(func.coalesce(func.sum(workers.c.process_count), 0)).where(workers.c.seen_ms > now_ms() - SILENT_MS)
    return int(connection.execute(alive).scalar_one())
