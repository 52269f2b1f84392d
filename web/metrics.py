"""Numbers for Prometheus, read from the database when asked: they are true whichever process answers."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from shared import tallies
from shared.database import Database, now_ms
from shared.jobs.states import ACTIVE, TERMINAL, Status
from shared.presence import live_processes
from shared.queue import Ringer
from shared.tables import jobs

# Counting stops here: more rows than this say nothing more, and cost as much as they are many.
MAX_COUNTED = 10_000
COUNTERS = {
    "claims": "Jobs that a worker took.",
    "leases_expired": "Jobs taken back from a worker that fell silent.",
    "writes_refused": "Writes of workers that no longer held the job.",
}
LABELLED_COUNTERS = {
    "ended": ("status", "Jobs that ended."),
    "failures": ("code", "Jobs that failed or died, by code."),
}
RECENT_MS = 3_600_000


class QueueCollector(Collector):
    """Reads the numbers once per request."""

    def __init__(self, database: Database, ringer: Ringer) -> None:
        self.database = database
        self.ringer = ringer

    def collect(self) -> list[Metric]:
        """Return every number."""
        with self.database.read() as connection:
            kept = tallies.read(connection)
            return [
                *active_jobs(connection),
                GaugeMetricFamily(
                    "hepaq_oldest_queued_seconds", "Age of the oldest queued job.", oldest_queued_s(connection)
                ),
                recently_ended(connection),
                GaugeMetricFamily("hepaq_worker_processes", "Worker processes alive.", live_processes(connection)),
                *(counter(name, words, kept) for name, words in COUNTERS.items()),
                *(counter(name, words, kept, label) for name, (label, words) in LABELLED_COUNTERS.items()),
                durations(kept),
                doorbells(self.ringer, kept),
            ]


def counter(name: str, words: str, kept: dict[str, float], label: str | None = None) -> CounterMetricFamily:
    """A kept number, or with a label all that begin with its name."""
    if label is None:
        return CounterMetricFamily(f"hepaq_{name}", words, value=kept.get(name, 0))
    family = CounterMetricFamily(f"hepaq_{name}", words, labels=[label])
    for key, value in kept.items():
        head, _, rest = key.partition(":")
        if head == name:
            family.add_metric([rest], value)
    return family


def durations(kept: dict[str, float]) -> HistogramMetricFamily:
    """How long the phases of succeeded jobs took, and their wait, and all of it."""
    family = HistogramMetricFamily("hepaq_job_seconds", "Seconds of succeeded jobs, by phase.", labels=["phase"])
    for phase in sorted(key.partition(":")[2] for key in kept if key.startswith("seconds_sum:")):
        so_far, buckets = 0.0, []
        for end in (*tallies.BUCKETS_S, tallies.BEYOND):
            so_far += kept.get(f"seconds:{phase}:{end}", 0)
            buckets.append(("+Inf" if end == tallies.BEYOND else str(end), so_far))
        family.add_metric([phase], buckets, kept[f"seconds_sum:{phase}"])
    return family


def doorbells(ringer: Ringer, kept: dict[str, float]) -> CounterMetricFamily:
    """How often workers were rung for: by this web process heard and unheard, and by keepers again."""
    family = CounterMetricFamily("hepaq_doorbells", "Doorbells, by what came of them.", labels=["outcome"])
    family.add_metric(["rung"], ringer.rung)
    family.add_metric(["unheard"], ringer.unheard)
    family.add_metric(["rung_again"], kept.get("rung_again", 0))
    return family


def active_jobs(connection: Connection) -> list[GaugeMetricFamily]:
    """How many jobs wait and run, counted up to a bound."""
    family = GaugeMetricFamily("hepaq_jobs_active", f"Unfinished jobs, at most {MAX_COUNTED}.", labels=["status"])
    for status in ACTIVE:
        some = select(jobs.c.id).where(jobs.c.status == status).limit(MAX_COUNTED).subquery()
        family.add_metric([status], connection.execute(select(func.count()).select_from(some)).scalar_one())
    return [family]


def oldest_queued_s(connection: Connection) -> float:
    """Return how long the job at the head of the queue has waited, in seconds; 0 without any."""
    head = select(now_ms() - jobs.c.created_ms).where(jobs.c.status == Status.QUEUED).order_by(jobs.c.id).limit(1)
    return max(0, connection.execute(head).scalar() or 0) / 1000


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


def render_metrics(database: Database, ringer: Ringer) -> bytes:
    """Return the numbers in Prometheus' text form."""
    registry = CollectorRegistry()
    registry.register(QueueCollector(database, ringer))
    return generate_latest(registry)
