"""The transitions, on every database."""

import threading

import pytest
from sqlalchemy import select, update

from shared.database import Database
from shared.errors import Conflict, NotFound
from shared.identifiers import new_id
from shared.jobs import claim, control, finish, lease, reap
from shared.jobs.states import Status
from shared.jobs.submit import StoredScan, Submission, submit
from shared.tables import job_events, jobs, results

RESULT = {
    "tumor_detected": True, "confidence": 0.9, "stage": "II", "stage_rule": "bbox-128", "affected_percent": 3.5,
    "lesion_count": 1, "liver_area_px": 1000, "tumor_area_px": 35, "model_name": "m", "model_version": "1",
    "model_sha256": "0" * 64, "code_version": "0", "input_sha256": "1" * 64, "mask_sha256": "2" * 64, "report": {},
}  # fmt: skip
LESION = {
    "number": 1, "x_px": 1, "y_px": 2, "width_px": 3, "height_px": 4, "area_px": 12, "longest_diameter_px": 5.0,
    "confidence": 0.8,
}  # fmt: skip
MASK = {"kind": "mask", "media_type": "image/png", "content": b"\x89PNG" * 40_000, "content_sha256": "2" * 64}
OUTCOME = finish.Outcome(RESULT, [LESION], [MASK])


def submit_scans(database: Database, user_id: str, count: int = 1, key: str | None = None) -> Submission:
    scans = [StoredScan(f"{i:064x}", 100, "png") for i in range(count)]
    return database.run(lambda c: submit(c, user_id, scans, label="Käse 肝", idempotency_key=key))


def claim_jobs(database: Database, limit: int = 1, lease_s: float = 30, worker: str = "w1") -> list[claim.Claim]:
    return database.run(lambda c: claim.claim_due(c, worker, limit=limit, lease_s=lease_s, deadline_s=900))


def row_of(database: Database, job_id: str):
    with database.read() as connection:
        return connection.execute(select(jobs).where(jobs.c.id == job_id)).one()


def events_of(database: Database, job_id: str) -> list[tuple[str | None, str]]:
    with database.read() as connection:
        query = select(job_events.c.from_status, job_events.c.to_status).where(job_events.c.job_id == job_id)
        return [tuple(row) for row in connection.execute(query.order_by(job_events.c.seq))]


def make_due(database: Database, job_id: str) -> None:
    with database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(available_ms=0))


def test_a_job_goes_from_queued_to_succeeded_with_its_result(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids
    (claimed,) = claim_jobs(database)

    assert database.run(lambda c: finish.succeed(c, claimed, OUTCOME, actor="w1"))

    row = row_of(database, job_id)
    assert (row.status, row.attempt, row.progress_percent, row.worker_id) == (Status.SUCCEEDED, 1, 100, None)
    assert events_of(database, job_id) == [(None, "queued"), ("queued", "running"), ("running", "succeeded")]


def test_claims_are_disjoint_and_oldest_first(database: Database, user_id: str) -> None:
    submission = submit_scans(database, user_id, count=40)
    taken: list[claim.Claim] = []

    def take() -> None:
        while got := claim_jobs(database, limit=3, worker=threading.current_thread().name):
            taken.extend(got)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(c.job_id for c in taken) == sorted(submission.job_ids)


def test_claim_takes_the_oldest_first(database: Database, user_id: str) -> None:
    first, second = (submit_scans(database, user_id).job_ids[0] for _ in range(2))

    assert [c.job_id for c in claim_jobs(database, limit=2)] == [first, second]


def test_a_stale_worker_changes_nothing(database: Database, user_id: str) -> None:
    submit_scans(database, user_id)
    (stale,) = claim_jobs(database, lease_s=-1)
    database.run(lambda c: reap.reap_expired(c, actor="k", max_attempts=5, max_crashes=3))
    (fresh,) = claim_jobs(database, worker="w2")

    assert not database.run(lambda c: finish.succeed(c, stale, OUTCOME, actor="w1"))
    assert not database.run(lambda c: finish.fail(c, stale, code="x", detail="x", actor="w1"))
    assert not database.run(lambda c: lease.release(c, stale, actor="w1"))
    assert not database.run(lambda c: lease.beat(c, [stale], lease_s=30)).owned
    assert database.run(lambda c: finish.succeed(c, fresh, OUTCOME, actor="w2"))
    with database.read() as connection:
        assert connection.execute(select(results.c.fence)).scalars().all() == [fresh.fence]


def test_a_job_that_kills_three_workers_is_dead(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids

    for _ in range(3):
        assert claim_jobs(database, lease_s=-1)
        assert database.run(lambda c: reap.reap_expired(c, actor="k", max_attempts=5, max_crashes=3)) == 1

    row = row_of(database, job_id)
    assert (row.status, row.error_code, row.crash_count) == (Status.DEAD, "poison", 3)


def test_transient_faults_back_off_and_end_as_dead(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids

    for attempt in range(1, 6):
        (claimed,) = claim_jobs(database)
        database.run(
            lambda c, claimed=claimed: finish.retry_or_die(
                c, claimed, code="internal", detail="x", actor="w", max_attempts=5, backoff_s=60
            )
        )
        if attempt < 5:
            assert claim_jobs(database) == []
            make_due(database, job_id)

    assert row_of(database, job_id).status == Status.DEAD


def test_a_released_job_does_not_pay_with_an_attempt(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids
    (claimed,) = claim_jobs(database)

    assert database.run(lambda c: lease.release(c, claimed, actor="w1"))

    assert row_of(database, job_id).attempt == 0
    assert claim_jobs(database)[0].fence == claimed.fence + 2


def test_cancelling_a_queued_job_means_it_never_runs(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids

    assert database.run(lambda c: control.cancel(c, user_id, job_id)) == Status.CANCELLED
    assert database.run(lambda c: control.cancel(c, user_id, job_id)) == Status.CANCELLED
    assert claim_jobs(database) == []


def test_a_cancelled_running_job_leaves_no_result(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids
    (claimed,) = claim_jobs(database)
    database.run(lambda c: control.cancel(c, user_id, job_id))

    assert lease_beat_sees_request(database, claimed)
    assert not database.run(lambda c: finish.succeed(c, claimed, OUTCOME, actor="w1"))
    assert database.run(lambda c: finish.finish_cancelled(c, claimed, actor="w1"))
    assert row_of(database, job_id).status == Status.CANCELLED
    with database.read() as connection:
        assert connection.execute(select(results)).all() == []


def lease_beat_sees_request(database: Database, claimed: claim.Claim) -> bool:
    return claimed.job_id in database.run(lambda c: lease.beat(c, [claimed], lease_s=30)).cancel_requested


def test_cancel_after_the_end_is_a_conflict(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids
    (claimed,) = claim_jobs(database)
    database.run(lambda c: finish.succeed(c, claimed, OUTCOME, actor="w1"))

    with pytest.raises(Conflict):
        database.run(lambda c: control.cancel(c, user_id, job_id))


@pytest.mark.parametrize("act", [control.cancel, control.retry, control.delete_job])
def test_other_peoples_jobs_do_not_exist(database: Database, user_id: str, act) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids

    with pytest.raises(NotFound):
        database.run(lambda c: act(c, new_id(), job_id))


def test_a_failed_job_can_be_run_again(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids
    (claimed,) = claim_jobs(database)
    database.run(lambda c: finish.fail(c, claimed, code="truncated", detail="Cut short.", actor="w1"))

    database.run(lambda c: control.retry(c, user_id, job_id))

    assert claim_jobs(database)[0].attempt == 1
    assert row_of(database, job_id).error_code is None


def test_a_deleted_job_is_gone_and_its_result_with_it(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids
    (claimed,) = claim_jobs(database)
    database.run(lambda c: finish.succeed(c, claimed, OUTCOME, actor="w1"))

    database.run(lambda c: control.delete_job(c, user_id, job_id))

    with database.read() as connection:
        assert connection.execute(select(results)).all() == []
    with pytest.raises(NotFound):
        database.run(lambda c: control.retry(c, user_id, job_id))


def test_one_idempotency_key_makes_one_submission(database: Database, user_id: str) -> None:
    made: list[Submission] = []
    threads = [
        threading.Thread(target=lambda: made.append(submit_scans(database, user_id, count=2, key="k")))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 10
    assert len({s.job_ids for s in made}) == 1
    assert sum(not s.replayed for s in made) == 1


def test_an_idempotency_key_cannot_be_used_for_other_content(database: Database, user_id: str) -> None:
    submit_scans(database, user_id, count=1, key="k")

    with pytest.raises(Conflict):
        submit_scans(database, user_id, count=2, key="k")


def test_a_lost_doorbell_is_rung_again_once(database: Database, user_id: str) -> None:
    (job_id,) = submit_scans(database, user_id).job_ids

    assert database.run(lambda c: reap.due_for_ringing(c, ring_again_s=15)) == []
    assert database.run(lambda c: reap.due_for_ringing(c, ring_again_s=-1)) == [job_id]
    assert database.run(lambda c: reap.due_for_ringing(c, ring_again_s=15)) == []
