"""How long a queued job may still wait: its place, what the latest jobs took, and how many work."""

from sqlalchemy import Connection, select

from shared.jobs.states import Status
from shared.presence import live_processes
from shared.tables import jobs, results
from web.queries import MAX_POSITION

LATEST_JOBS = 20
MINUTE_S, HOUR_S = 60, 3600


def estimate_wait_s(connection: Connection, position: int) -> float | None:
    """Return about how many seconds the jobs up to a place in the queue take; None where nothing tells.

    Only the work itself is counted, as shared by the processes alive now; retries and breaks are not foreseen.
    """
    # In two steps, each by index alone: a join might begin at the results, of which there are ever more.
    latest = select(jobs.c.id).where(jobs.c.status == Status.SUCCEEDED).order_by(jobs.c.id.desc()).limit(LATEST_JOBS)
    ids = list(connection.execute(latest).scalars())
    reports = connection.execute(select(results.c.report).where(results.c.job_id.in_(ids))).scalars()
    took_s = [float(sum(report["seconds"].values())) for report in reports]
    processes = live_processes(connection)
    if not took_s or not processes:
        return None
    return position * sum(took_s) / len(took_s) / processes


def wait_words(connection: Connection, position: int | None) -> str:
    """Say how long a job at a place in the queue may wait, or nothing."""
    wait_s = None if position is None or position > MAX_POSITION else estimate_wait_s(connection, position)
    if wait_s is None:
        return ""
    if wait_s < MINUTE_S:
        return "Less than a minute to wait, as things go."
    if wait_s < HOUR_S:
        minutes = round(wait_s / MINUTE_S)
        return f"About {minutes} minute{'s' if minutes > 1 else ''} to wait, as things go."
    return f"About {wait_s / HOUR_S:.1f} hours to wait, as things go."
