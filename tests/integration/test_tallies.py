"""The numbers for monitoring: each event counts once, whoever counts and however often."""

import re
from contextlib import suppress
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import func, select, update

from shared import tallies
from shared.database import Database
from shared.jobs import finish, reap
from shared.jobs.claim import claim_due
from shared.jobs.submit import StoredScan, submit
from shared.tables import job_events, jobs
from web.context import Context
from web.metrics import render_metrics

ROOT = Path(__file__).parents[2]
LATER_MS = 60_000


def work_off(database: Database, user_id: str) -> None:
    """Four jobs: one fails, one dies of lost workers, two are claimed and stay."""
    stored = [StoredScan(f"{n:064}", 1, "png") for n in range(4)]
    database.run(lambda c: submit(c, user_id, stored))
    claims = database.run(lambda c: claim_due(c, "w", limit=4, lease_s=60, deadline_s=60))
    database.run(lambda c: finish.fail(c, claims[0], code="not_ct", detail="-", actor="w"))
    with database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == claims[1].job_id).values(lease_until_ms=1, crash_count=2))
    database.run(lambda c: reap.reap_expired(c, actor="keeper", max_attempts=5, max_crashes=3))


def let_settle(database: Database) -> None:
    """Make all events older than a transaction lasts."""
    with database.transaction() as connection:
        connection.execute(update(job_events).values(at_ms=job_events.c.at_ms - LATER_MS))


def read(database: Database) -> dict[str, float]:
    with database.read() as connection:
        return tallies.read(connection)


def test_events_are_added_up_once_they_are_settled(database: Database, user_id: str) -> None:
    work_off(database, user_id)
    assert database.run(tallies.add_up) == 0

    let_settle(database)

    assert database.run(tallies.add_up) == 10
    assert database.run(tallies.add_up) == 0
    assert read(database) == {
        "claims": 4, "leases_expired": 1, "ended:failed": 1, "ended:dead": 1,
        "failures:not_ct": 1, "failures:poison": 1,
    }  # fmt: skip


def test_keepers_side_by_side_count_each_event_once(database: Database, user_id: str) -> None:
    for _ in range(10):
        work_off(database, user_id)
    let_settle(database)
    barrier = Barrier(4)

    def keep() -> None:
        barrier.wait()
        for _ in range(6):
            with suppress(tallies.Contested):
                database.run(tallies.add_up)

    threads = [Thread(target=keep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while database.run(tallies.add_up):
        pass

    with database.read() as connection:
        claimed = select(func.count()).select_from(job_events).where(job_events.c.to_status == "running")
        assert read(database)["claims"] == connection.execute(claimed).scalar_one()


def test_a_lower_number_that_comes_late_is_not_passed_over(database: Database, user_id: str) -> None:
    """Events count in order, and none before those ahead of it are settled."""
    work_off(database, user_id)
    with database.transaction() as connection:
        first = connection.execute(select(func.min(job_events.c.seq))).scalar_one()
        connection.execute(
            update(job_events).where(job_events.c.seq > first).values(at_ms=job_events.c.at_ms - LATER_MS)
        )

    assert database.run(tallies.add_up) == 0


def test_durations_become_a_histogram() -> None:
    class Event:
        created_ms, started_ms, finished_ms = 0, 400, 2000

    said = tallies.timings({"decoding": 0.004, "inferring": 500.0}, Event())  # type: ignore[arg-type]

    assert said == {
        "seconds:decoding:0.005": 1, "seconds_sum:decoding": 0.004,
        "seconds:inferring:inf": 1, "seconds_sum:inferring": 500.0,
        "seconds:waiting:0.5": 1, "seconds_sum:waiting": 0.4,
        "seconds:total:2.5": 1, "seconds_sum:total": 2.0,
    }  # fmt: skip


def test_the_page_for_prometheus_shows_them(context: Context) -> None:
    kept: dict[str, Any] = {
        "claims": 7, "failures:not_ct": 2, "seconds:inferring:0.01": 3, "seconds:inferring:0.05": 1,
        "seconds_sum:inferring": 0.08, "rung_again": 4, "writes_refused": 1,
    }  # fmt: skip
    context.database.run(lambda c: tallies.add(c, kept))
    context.database.run(lambda c: tallies.add(c, {"claims": 1}))

    text = render_metrics(context.database, context.ringer).decode()

    for line in (
        "hepaq_claims_total 8.0",
        'hepaq_failures_total{code="not_ct"} 2.0',
        "hepaq_leases_expired_total 0.0",
        "hepaq_writes_refused_total 1.0",
        'hepaq_job_seconds_bucket{le="0.005",phase="inferring"} 0.0',
        'hepaq_job_seconds_bucket{le="0.01",phase="inferring"} 3.0',
        'hepaq_job_seconds_bucket{le="+Inf",phase="inferring"} 4.0',
        'hepaq_job_seconds_count{phase="inferring"} 4.0',
        'hepaq_job_seconds_sum{phase="inferring"} 0.08',
        'hepaq_doorbells_total{outcome="rung_again"} 4.0',
    ):
        assert line in text.splitlines(), line


def test_every_number_is_documented(context: Context) -> None:
    text = render_metrics(context.database, context.ringer).decode()
    shown = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (hepaq_\w+)", text, re.M)}
    documented = set(re.findall(r"`(hepaq_[a-z_]+?)(?:_total)?[`{]", (ROOT / "docs/operations.md").read_text()))

    assert len(shown) >= 10
    assert shown - documented == set()


@pytest.fixture
def database_url(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """SQLite, and the server for what runs side by side."""
    if "side_by_side" in request.node.name:
        return str(request.getfixturevalue("mysql_url"))
    return f"sqlite:///{tmp_path / 'hepaq.sqlite3'}"
