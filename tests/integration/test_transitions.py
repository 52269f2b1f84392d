"""Every order of transitions that Hypothesis can think of; after each, the checker looks for a broken promise.

Workers keep their claims for as long as they like, so stale ones write, beat and give back at any time. Time passes by
moving the stored instants into the past, for the clock is the database's.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)  # fmt: skip
from sqlalchemy import Connection, delete, insert, select, update

from shared.database import Database, now_ms
from shared.errors import Conflict
from shared.identifiers import new_id
from shared.jobs import control, finish, lease, reap
from shared.jobs.claim import Claim, claim_due
from shared.jobs.invariants import unfinished, violations
from shared.jobs.states import TERMINAL, Status
from shared.jobs.submit import StoredScan, submit
from shared.migrate import migrate
from shared.tables import artifacts, job_events, jobs, lesions, results, scans, submissions, usage, users
from tests.chaos.sabotage import unfenced

LEASE_S, DEADLINE_S = 30, 900
MAX_ATTEMPTS, MAX_CRASHES = 3, 2
LIMITS = {"max_attempts": MAX_ATTEMPTS, "max_crashes": MAX_CRASHES}
RESULT = {
    "tumor_detected": True, "confidence": 0.9, "stage": "II", "stage_rule": "bbox-128", "affected_percent": 3.5,
    "lesion_count": 0, "liver_area_px": 1000, "tumor_area_px": 35, "model_name": "m", "model_version": "1",
    "model_sha256": "0" * 64, "code_version": "0", "input_sha256": "1" * 64, "mask_sha256": "2" * 64, "report": {},
}  # fmt: skip
OUTCOME = finish.Outcome(RESULT)
INSTANTS = ("available_ms", "published_ms", "lease_until_ms", "deadline_ms")


class Transitions(RuleBasedStateMachine):
    """One database, some jobs, workers that remember every claim they ever had."""

    job_ids = Bundle("job_ids")
    claims = Bundle("claims")
    database: Database

    @initialize()
    def empty(self) -> None:
        self.user_id = new_id()
        # What each job last was, with its fence: a terminal state may only be left by asking for another run.
        self.ended: dict[str, tuple[str, int]] = {}
        self.asked_again: set[str] = set()
        with self.database.transaction() as connection:
            for table in (artifacts, lesions, results, job_events, jobs, scans, usage, submissions, users):
                connection.execute(delete(table))
            row = {"id": self.user_id, "name": self.user_id, "password_hash": "-"}
            connection.execute(insert(users).values(created_ms=now_ms(), **row))

    def run(self, work: Callable[[Connection], Any]) -> Any:
        """Run one transition in a transaction of its own."""
        return self.database.run(work)

    @rule(target=job_ids, count=st.integers(1, 3))
    def submit(self, count: int) -> Any:
        stored = [StoredScan(uuid.uuid4().hex * 2, 100, "png") for _ in range(count)]
        return multiple(*self.run(lambda c: submit(c, self.user_id, stored)).job_ids)

    @rule(target=claims, limit=st.integers(1, 3), worker=st.sampled_from(["w1", "w2"]))
    def claim(self, limit: int, worker: str) -> Any:
        found = self.run(lambda c: claim_due(c, worker, limit=limit, lease_s=LEASE_S, deadline_s=DEADLINE_S))
        return multiple(*found)

    @rule(held=st.lists(claims, max_size=3))
    def renew(self, held: list[Claim]) -> None:
        found = self.run(lambda c: lease.beat(c, held, lease_s=LEASE_S))
        with self.database.read() as connection:
            running = dict(connection.execute(select(jobs.c.id, jobs.c.fence).where(jobs.c.status == "running")).all())
        assert found.owned == {one.job_id for one in held if running.get(one.job_id) == one.fence}

    @rule(held=claims)
    def succeed(self, held: Claim) -> None:
        self.run(lambda c: finish.succeed(c, held, OUTCOME, actor="w"))

    @rule(held=claims)
    def fail(self, held: Claim) -> None:
        self.run(lambda c: finish.fail(c, held, code="not_ct", detail="-", actor="w"))

    @rule(held=claims)
    def give_another_try(self, held: Claim) -> None:
        fault = {"code": "internal", "detail": "-", "actor": "w", "max_attempts": MAX_ATTEMPTS, "backoff_s": 5.0}
        self.run(lambda c: finish.retry_or_die(c, held, **fault))

    @rule(held=claims)
    def finish_cancelled(self, held: Claim) -> None:
        self.run(lambda c: finish.finish_cancelled(c, held, actor="w"))

    @rule(held=claims)
    def release(self, held: Claim) -> None:
        self.run(lambda c: lease.release(c, held, actor="w"))

    @rule(held=consumes(claims))
    def die(self, held: Claim) -> None:
        """A worker that is killed forgets its claim."""

    @rule()
    def reap(self) -> None:
        self.run(lambda c: reap.reap_expired(c, actor="keeper", **LIMITS))

    @rule()
    def ring_again(self) -> None:
        self.run(lambda c: reap.due_for_ringing(c, ring_again_s=15))

    @rule(job_id=job_ids)
    def cancel(self, job_id: str) -> None:
        try:
            self.run(lambda c: control.cancel(c, self.user_id, job_id))
        except Conflict as refused:
            assert refused.code == "job_already_ended"

    @rule(job_id=job_ids)
    def run_again(self, job_id: str) -> None:
        try:
            self.run(lambda c: control.retry(c, self.user_id, job_id))
        except Conflict as refused:
            assert refused.code == "not_retryable"
        else:
            self.asked_again.add(job_id)

    @rule(job_id=consumes(job_ids))
    def delete(self, job_id: str) -> None:
        self.run(lambda c: control.delete_job(c, self.user_id, job_id))

    @rule(seconds=st.sampled_from([1, 20, LEASE_S + 1, DEADLINE_S]))
    def wait(self, seconds: int) -> None:
        earlier = {name: jobs.c[name] - seconds * 1000 for name in INSTANTS}
        self.run(lambda c: c.execute(update(jobs).values(earlier)))

    @invariant()
    def nothing_is_broken(self) -> None:
        with self.database.read() as connection:
            assert list(violations(connection)) == []
            rows = connection.execute(select(jobs)).all()
        for row in rows:
            self.check(row)
        self.asked_again.clear()

    def check(self, row: Any) -> None:
        """Look at one job: leased exactly while it runs, counted rightly, and never back from its end unasked."""
        assert (row.lease_until_ms is not None) == (row.status == Status.RUNNING)
        assert (row.worker_id is not None) == (row.status == Status.RUNNING)
        assert 0 <= row.attempt <= MAX_ATTEMPTS and 0 <= row.crash_count <= MAX_CRASHES
        assert row.status != Status.RUNNING or row.lease_until_ms <= row.deadline_ms
        assert (row.finished_ms is not None) == (row.status in TERMINAL)
        was = self.ended.pop(row.id, None)
        assert was is None or was == (row.status, row.fence) or row.id in self.asked_again
        if row.status in TERMINAL:
            self.ended[row.id] = (row.status, row.fence)

    def teardown(self) -> None:
        """Whatever has happened, waiting brings every job to an end: nothing is stuck."""
        for _ in range(2 * MAX_ATTEMPTS):
            self.wait(DEADLINE_S)
            self.reap()
            for held in self.run(lambda c: claim_due(c, "w", limit=99, lease_s=LEASE_S, deadline_s=DEADLINE_S)):
                self.succeed(held)
        self.nothing_is_broken()
        with self.database.read() as connection:
            assert unfinished(connection) == 0


@pytest.fixture
def machine(database_url: str) -> Iterator[type[Transitions]]:
    """The machine on an empty database of each kind."""
    migrate(database_url)

    class OnThisDatabase(Transitions):
        database = Database(database_url)

    yield OnThisDatabase
    OnThisDatabase.database.close()


def try_orders(machine: type[Transitions], example_count: int) -> None:
    """Try so many orders of at most thirty transitions."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=example_count,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_order_of_transitions_breaks_a_promise(machine: type[Transitions]) -> None:
    try_orders(machine, 20)


def test_without_the_fence_the_machine_finds_a_broken_promise(
    machine: type[Transitions], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, statement in list(unfenced()):
        monkeypatch.setattr(module, name, statement)

    with pytest.raises(AssertionError):
        try_orders(machine, 20)
