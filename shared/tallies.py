"""Numbers that only grow, for monitoring: taken from the log of transitions by the keeper, not by who works.

A counter that every claim and every finish raised would be one row that all workers wait for. So the keeper goes
through the log after it was written and adds up what is new: half a minute late, at no cost to the work.
"""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.database import now_ms
from shared.jobs.states import TERMINAL, Status
from shared.tables import job_events, jobs, results, tallies

BATCH = 500
# A transaction that is still open may yet add an event with a lower number; none lasts so long.
SETTLED_MS = 30_000
MARK = "events_seq"
LOST = ("worker_lost", "poison")
# Upper ends of the histograms' buckets, in seconds.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BEYOND = "inf"


class Contested(Exception):
    """Another keeper adds up at this moment; the transaction must be undone."""


def add(connection: Connection, more: dict[str, float]) -> None:
    """Raise tallies by name."""
    for name, value in sorted(more.items()):
        raised = update(tallies).where(tallies.c.name == name).values(value=tallies.c.value + value)
        if connection.execute(raised).rowcount:
            continue
        try:
            with connection.begin_nested():
                connection.execute(insert(tallies).values(name=name, value=value))
        except IntegrityError:
            connection.execute(raised)


def read(connection: Connection) -> dict[str, float]:
    """Return every tally by name."""
    return {row.name: row.value for row in connection.execute(select(tallies)) if row.name != MARK}


def add_up(connection: Connection) -> int:
    """Add up the events that are new and settled; return how many there were.

    Raises:
        Contested: another keeper was faster.
    """
    mark = connection.execute(select(tallies.c.value).where(tallies.c.name == MARK)).scalar()
    query = (
        select(
            job_events.c.seq, job_events.c.to_status, job_events.c.reason,
            jobs.c.created_ms, jobs.c.started_ms, jobs.c.finished_ms, results.c.report,
            (job_events.c.at_ms < now_ms() - SETTLED_MS).label("is_settled"),
        )
        .join(jobs, jobs.c.id == job_events.c.job_id)
        .join(results, (results.c.job_id == jobs.c.id) & (job_events.c.to_status == Status.SUCCEEDED), isouter=True)
        .where(job_events.c.seq > (mark or 0))
        .order_by(job_events.c.seq)
        .limit(BATCH)
    )  # fmt: skip
    settled = []
    for event in connection.execute(query):
        if not event.is_settled:
            break
        settled.append(event)
    if not settled:
        return 0
    move_mark(connection, mark, settled[-1].seq)
    more: Counter[str] = Counter()
    for event in settled:
        more.update(said_by(event))
    add(connection, dict(more))
    return len(settled)


def move_mark(connection: Connection, before: float | None, after: int) -> None:
    """Note how far the log is added up.

    Raises:
        Contested: it was moved meanwhile.
    """
    if before is None:
        try:
            connection.execute(insert(tallies).values(name=MARK, value=after))
        except IntegrityError as error:
            raise Contested from error
        return
    moved = connection.execute(
        update(tallies).where(tallies.c.name == MARK, tallies.c.value == before).values(value=after)
    )
    if not moved.rowcount:
        raise Contested


def said_by(event: Row) -> dict[str, float]:
    """Return what one event adds to which tallies."""
    said: dict[str, float] = {}
    if event.to_status == Status.RUNNING:
        said["claims"] = 1
    if event.reason in LOST:
        said["leases_expired"] = 1
    if event.to_status in TERMINAL:
        said[f"ended:{event.to_status}"] = 1
    if event.to_status in (Status.FAILED, Status.DEAD):
        said[f"failures:{event.reason}"] = 1
    if event.report:
        said |= timings(event.report.get("seconds", {}), event)
    return said


def timings(seconds: dict[str, Any], event: Row) -> dict[str, float]:
    """Return what a succeeded job adds to the histograms: its phases, its wait and all of it."""
    all_s = dict(seconds)
    if event.started_ms and event.finished_ms:
        all_s["waiting"] = (event.started_ms - event.created_ms) / 1000
        all_s["total"] = (event.finished_ms - event.created_ms) / 1000
    said: dict[str, float] = {}
    for phase, took_s in all_s.items():
        bucket = next((str(end) for end in BUCKETS_S if took_s <= end), BEYOND)
        said[f"seconds:{phase}:{bucket}"] = 1
        said[f"seconds_sum:{phase}"] = float(took_s)
    return said
