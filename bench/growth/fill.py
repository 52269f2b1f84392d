"""Fill the tables with ended jobs, in bulk, past every check: only their number matters here."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Table, insert

from shared.database import Database
from shared.identifiers import new_id
from shared.tables import job_events, jobs, results, scans, submissions, users

CHUNK = 5000
DAY_MS = 86_400_000
REPORT = '{"warnings": [], "note": "' + "x" * 200 + '"}'
DIGEST = "0" * 64


def make_user(database: Database) -> str:
    """Make the user who owns everything."""
    user_id = new_id()
    with database.transaction() as connection:
        connection.execute(insert(users).values(id=user_id, name="ann", password_hash="-", created_ms=0))
    return user_id


def job_id(number: int) -> str:
    """Return the id of a filled job; it sorts before every real one."""
    return f"00GR0WTH{number:018d}"


def rows_of(table: Table, user_id: str, numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    """Yield a table's rows of the jobs of these numbers: 97 in 100 succeeded, 2 failed, 1 was cancelled."""
    for number in numbers:
        name, at_ms = job_id(number), number * 1000
        status = {0: "cancelled", 1: "failed", 2: "failed"}.get(number % 100, "succeeded")
        if table is submissions:
            yield {"id": name, "user_id": user_id, "content_sha256": DIGEST, "scan_count": 1, "created_ms": at_ms}
        elif table is scans:
            # As many contents as jobs, as with real scans.
            yield {"id": name, "user_id": user_id, "content_sha256": f"{number * 2654435761 % 2**32:064x}",
                   "size_bytes": 150_000, "format": "png", "created_ms": at_ms}  # fmt: skip
        elif table is jobs:
            yield {"id": name, "user_id": user_id, "scan_id": name, "submission_id": name, "submission_index": 1,
                   "status": status, "attempt": 1, "fence": 1, "available_ms": at_ms, "published_ms": at_ms,
                   "created_ms": at_ms, "started_ms": at_ms, "finished_ms": at_ms, "version": 2}  # fmt: skip
        elif table is job_events:
            for fence, before, after in ((0, None, "queued"), (1, "queued", "running"), (1, "running", status)):
                yield {"job_id": name, "from_status": before, "to_status": after, "fence": fence, "actor": "bench",
                       "reason": "filled", "at_ms": at_ms}  # fmt: skip
        elif table is results and status == "succeeded":
            yield {"job_id": name, "fence": 1, "attempt": 1, "worker_id": "bench", "tumor_detected": number % 2,
                   "confidence": 0.5, "stage_rule": "bbox-128", "lesion_count": 0, "liver_area_px": 1,
                   "tumor_area_px": 0, "model_name": "m", "model_version": "1", "model_sha256": DIGEST,
                   "code_version": "1", "input_sha256": DIGEST, "mask_sha256": DIGEST, "report": REPORT,
                   "created_ms": at_ms}  # fmt: skip


def fill(database: Database, user_id: str, count: int) -> None:
    """Store so many ended jobs."""
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        mark = "?" if database.is_sqlite else "%s"
        cursor.execute("PRAGMA synchronous=OFF" if database.is_sqlite else "SET unique_checks=0, foreign_key_checks=0")
        for table in (submissions, scans, jobs, job_events, results):
            rows = rows_of(table, user_id, iter(range(count)))
            while chunk := list(islice(rows, CHUNK)):
                names = ", ".join(chunk[0])
                marks = ", ".join([mark] * len(chunk[0]))
                if database.is_sqlite:
                    cursor.execute("BEGIN")
                cursor.executemany(
                    f"INSERT INTO {table.name} ({names}) VALUES ({marks})", [tuple(row.values()) for row in chunk]
                )
                connection.commit()
        cursor.execute(
            "ANALYZE" if database.is_sqlite else "ANALYZE TABLE submissions, scans, jobs, job_events, results"
        )
        cursor.close()
    finally:
        # Not given back to the pool: its settings are no longer those of the product.
        connection.invalidate()
