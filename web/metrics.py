"""Numbers for Prometheus, read from the database when asked: they are true whichever process answers."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from shared.database import Database, now_ms
from shared.jobs.states import ACTIVE, TERMINAL, Status
from shared.presence import live_processes
from shared.tables import jobs

# Counting stops here: more rows than this say nothing more, and cost as much as they are many.
MAX_COUNTED = 10_000
RECENT_MS = 3_600_000


class QueueCollector(Collector):
    """Reads the numbers once per request."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def collect(self) -> list[GaugeMetricFamily]:
        """Return every gauge."""
        with self.database.read() as connection:
            return [
                *active_jobs(connection),
                oldest_queued(connection),
                recently_ended(connection),
                GaugeMetricFamily("hepaq_worker_processes", "Worker processes alive.", live_processes(connection)),
            ]


def active_jobs(connection: Connection) -> list[GaugeMetricFamily]:
    """How many jobs wait and run, counted up to a bound."""
    family = GaugeMetricFamily("hepaq_jobs_active", f"Unfinished jobs, at most {MAX_COUNTED}.", labels=["status"])
    for status in ACTIVE:
        some = select(jobs.c.id).where(jobs.c.status == status).limit(MAX_COUNTED).subquery()
        family.add_metric([status], connection.execute(select(func.count()).select_from(some)).scalar_one())
    return [family]


def oldest_queued(connection: Connection) -> GaugeMetricFamily:
    """How long the job at the head of the queue has waited."""
    head = select(now_ms() - jobs.c.created_ms).where(jobs.c.status == Status.QUEUED).order_by(jobs.c.id).limit(1)
    waited_ms = connection.execute(head).scalar() or 0
    return GaugeMetricFamily("hepaq_oldest_queued_seconds", "Age of the oldest queued job.", max(0, waited_ms) / 1000)


def recently_ended(connection: Connection) -> GaugeMetricFamily:
    """How the newest jobs of the last hour ended, by status and code."""
    family = GaugeMetricFamily(
        "hepaq_jobs_ended_last_hour", f"Of the {MAX_COUNTED} newest jobs.", labels=["status", "code"]
    )
    newest = (
        select(jobs.c.status, func.coalesce(jobs.c.error_code, "").label("code"), jobs.c.finished_ms)
        .order_by(jobs.c.id.desc())
        .limit(MAX_COUNTED)
        .subquery()
    )
    query = (
        select(newest.c.status, newest.c.code, func.count())
        .where(newest.c.status.in_(TERMINAL), newest.c.finished_ms > now_ms() - RECENT_MS)
        .group_by(newest.c.status, newest.c.code)
    )
    for status, code, count in connection.execute(query):
        family.add_metric([status, code], count)
    return family


def render_metrics(database: Database) -> bytes:
    """Return the numbers in Prometheus' text form."""
    registry = CollectorRegistry()
    registry.register(QueueCollector(database))
    return generate_latest(registry)
