"""What pages and API read of jobs: always one user's, always by index, never more than a page."""

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from shared.errors import NotFound
from shared.identifiers import is_id
from shared.jobs.states import Status
from shared.jobs.submit import Submission
from shared.tables import artifacts, jobs, results, scans, slices, submissions

MAX_PAGE = 100
# Further back in the queue than this, the exact place is not worth the counting.
MAX_POSITION = 1000
# Beyond it no database need look, nor could each of them.
MAX_SLICE_NUMBER = 2000

SUMMARY = (
    jobs.c.id, jobs.c.status, jobs.c.phase, jobs.c.progress_percent, jobs.c.attempt, jobs.c.version,
    jobs.c.cancel_requested_ms, jobs.c.error_code, jobs.c.error_detail, jobs.c.created_ms, jobs.c.started_ms,
    jobs.c.finished_ms, jobs.c.submission_id, jobs.c.submission_index, submissions.c.scan_count,
    scans.c.label, scans.c.format, scans.c.size_bytes, scans.c.content_sha256,
    results.c.tumor_detected, results.c.confidence, results.c.stage, results.c.stage_rule,
    results.c.affected_percent, results.c.lesion_count, results.c.scope, results.c.slice_count,
)  # fmt: skip
NOTHING_YET = dict.fromkeys(column.name for column in SUMMARY)
WHOLE = (
    *SUMMARY, results.c.liver_area_px, results.c.tumor_area_px, results.c.liver_volume_ml, results.c.tumor_volume_ml,
    results.c.model_name, results.c.model_version,
    results.c.model_sha256, results.c.code_version, results.c.input_sha256, results.c.mask_sha256, results.c.report,
)  # fmt: skip
STATUS = (jobs.c.id, jobs.c.status, jobs.c.phase, jobs.c.progress_percent, jobs.c.cancel_requested_ms)


# A job in summary: read, or just made.
SummaryRow = Row | SimpleNamespace


@dataclass(frozen=True)
class Page:
    """Some jobs, newest first, and between which ones they lie: None where there are no older or newer ones."""

    rows: list[Row]
    next_cursor: str | None
    newer_cursor: str | None = None


@cache
def own_jobs(columns: tuple[object, ...]) -> Select:
    """Select the jobs of the user `user_id` that are not deleted; made once, for it is asked all the time."""
    joined = (
        jobs.join(scans, scans.c.id == jobs.c.scan_id)
        .join(submissions, submissions.c.id == jobs.c.submission_id)
        .outerjoin(results, results.c.job_id == jobs.c.id)
    )
    found: Select = (
        select(*columns)  # type: ignore[call-overload]
        .select_from(joined)
        .where(jobs.c.user_id == bindparam("user_id"), jobs.c.deleted_ms.is_(None))
    )
    return found


OWN_JOB = own_jobs(WHOLE).where(jobs.c.id == bindparam("job_id"))
IN_IDS = jobs.c.id.in_(bindparam("job_ids", expanding=True))
OWN_JOBS = own_jobs(SUMMARY).where(IN_IDS)
OWN_STATUSES = select(*STATUS).where(jobs.c.user_id == bindparam("user_id"), jobs.c.deleted_ms.is_(None), IN_IDS)


def find_job(connection: Connection, user_id: str, job_id: str) -> Row:
    """Return a job with its whole result.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    row = connection.execute(OWN_JOB, {"user_id": user_id, "job_id": job_id}).first() if is_id(job_id) else None
    if row is None:
        raise NotFound("There is no such job.")
    return row


def find_jobs(connection: Connection, user_id: str, ids: list[str]) -> list[Row]:
    """Return those of many jobs that exist and are the user's, in summary."""
    return list(connection.execute(OWN_JOBS, {"user_id": user_id, "job_ids": ids}))


def just_submitted(submission: Submission) -> list[SimpleNamespace]:
    """Return the jobs of a new submission as `find_jobs` would: to ask for them took a quarter of an upload's time."""
    said = {
        "status": Status.QUEUED,
        "progress_percent": 0,
        "attempt": 0,
        "created_ms": submission.created_ms,
        "submission_id": submission.id,
        "scan_count": len(submission.scans),
        "label": submission.label,
    }
    return [
        SimpleNamespace(**NOTHING_YET | said | vars(scan) | {"id": job_id, "submission_index": index})
        for index, (job_id, scan) in enumerate(zip(submission.job_ids, submission.scans, strict=True), 1)
    ]


def find_statuses(connection: Connection, user_id: str, ids: list[str]) -> list[Row]:
    """Return how those of many jobs stand that exist and are the user's."""
    return list(connection.execute(OWN_STATUSES, {"user_id": user_id, "job_ids": ids}))


def list_jobs(
    connection: Connection,
    user_id: str,
    *,
    status: str | None = None,
    label: str | None = None,
    cursor: str | None = None,
    newer_than: str | None = None,
    limit: int = 50,
) -> Page:
    """Return a page of jobs, newest first.

    Args:
        connection: to read with.
        user_id: whose jobs.
        status: of which state alone.
        label: of which label alone.
        cursor: the last job of the page before; older ones follow.
        newer_than: or the first job of the page after; the nearest newer ones are wanted.
        limit: how many at most.
    """
    limit = max(1, min(limit, MAX_PAGE))
    # Left to itself, MariaDB takes the index on deleted_ms, or goes through all the user's newer jobs to reach the
    # cursor: 40 ms at 20,000 jobs and ever more. Forced, it begins where the page begins: 0.4 ms at any number.
    index = "ix_jobs_user_status" if status else "ix_jobs_user"
    query = own_jobs(SUMMARY).with_hint(jobs, f"FORCE INDEX ({index})", "mysql")
    query = query.order_by(jobs.c.id if newer_than else jobs.c.id.desc()).limit(limit + 1)
    if status:
        query = query.where(jobs.c.status == status)
    if label:
        query = query.where(scans.c.label == label)
    if cursor:
        query = query.where(jobs.c.id < cursor)
    if newer_than:
        query = query.where(jobs.c.id > newer_than)
    found = list(connection.execute(query, {"user_id": user_id}))
    rows, has_more = found[:limit], len(found) > limit
    if newer_than:
        rows.reverse()
    has_older, has_newer = (True, has_more) if newer_than else (has_more, bool(cursor))
    return Page(rows, rows[-1].id if rows and has_older else None, rows[0].id if rows and has_newer else None)


def queue_position(connection: Connection, row: Row) -> int | None:
    """Return a queued job's place, 1 being next; counted no further than MAX_POSITION."""
    if row.status != Status.QUEUED:
        return None
    before = select(jobs.c.id).where(jobs.c.status == Status.QUEUED, jobs.c.id < row.id).limit(MAX_POSITION).subquery()
    return int(connection.execute(select(func.count()).select_from(before)).scalar_one()) + 1


def find_artifact(connection: Connection, user_id: str, job_id: str, kind: str) -> Row:
    """Return one of a job's pictures.

    Raises:
        NotFound: no such job of this user, or it has none yet.
    """
    query = (
        select(artifacts.c.media_type, artifacts.c.content, artifacts.c.content_sha256)
        .join(jobs, jobs.c.id == artifacts.c.job_id)
        .where(jobs.c.id == job_id, jobs.c.user_id == user_id, jobs.c.deleted_ms.is_(None), artifacts.c.kind == kind)
    )
    row = connection.execute(query).first() if is_id(job_id) else None
    if row is None:
        raise NotFound("There is no such picture.")
    return row


def find_slice(connection: Connection, user_id: str, job_id: str, number: int) -> Row:
    """Return preview and mask of a volume's slice, counted from 1.

    Raises:
        NotFound: no such job of this user, it is no volume, or has no such slice.
    """
    query = (
        select(slices.c.preview, slices.c.mask)
        .join(jobs, jobs.c.id == slices.c.job_id)
        .where(jobs.c.id == job_id, jobs.c.user_id == user_id, jobs.c.deleted_ms.is_(None), slices.c.number == number)
    )
    row = connection.execute(query).first() if is_id(job_id) and number <= MAX_SLICE_NUMBER else None
    if row is None:
        raise NotFound("There is no such slice.")
    return row
