"""A worker takes due jobs."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, bindparam, func, select, update

from shared.database import now_ms
from shared.jobs.events import record
from shared.jobs.states import Phase, Status
from shared.tables import jobs, scans

# As `models.volume_type` and `web.scan_header` tell them.
VOLUME_FORMATS = ("nifti", "dicom_series")
DUE = (
    select(jobs.c.id)
    .where(jobs.c.status == Status.QUEUED, jobs.c.available_ms <= now_ms(), jobs.c.cancel_requested_ms.is_(None))
    .order_by(jobs.c.id)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
IN_IDS = jobs.c.id.in_(bindparam("ids", expanding=True))
CLAIMS = (
    select(
        jobs.c.id, jobs.c.fence + 1, jobs.c.attempt + 1, jobs.c.crash_count, scans.c.content_sha256,
        scans.c.size_bytes, scans.c.format,
    )
    .join(scans, scans.c.id == jobs.c.scan_id)
    .where(IN_IDS)
    .order_by(jobs.c.id)
)  # fmt: skip
START = (
    update(jobs)
    .where(IN_IDS, jobs.c.status == Status.QUEUED)
    .values(
        status=Status.RUNNING,
        phase=Phase.DECODING,
        progress_percent=0,
        attempt=jobs.c.attempt + 1,
        fence=jobs.c.fence + 1,
        version=jobs.c.version + 1,
        started_ms=func.coalesce(jobs.c.started_ms, now_ms()),
        lease_until_ms=now_ms() + bindparam("lease_ms", type_=BigInteger),
        deadline_ms=now_ms() + bindparam("within_ms", type_=BigInteger),
    )
)


@dataclass(frozen=True)
class Claim:
    """The right to work on one job, as long as its fence is the newest."""

    job_id: str
    fence: int
    attempt: int
    crash_count: int
    content_sha256: str
    size_bytes: int
    format: str

    @property
    def is_volume(self) -> bool:
        """Whether the scan has many slices, and takes as long as many."""
        return self.format in VOLUME_FORMATS


def claim_due(connection: Connection, worker_id: str, *, limit: int, lease_s: float, deadline_s: float) -> list[Claim]:
    """Claim up to `limit` due jobs, oldest first; two workers never get the same one.

    One volume at most is among them, the last: others work on the next one meanwhile.
    Rows locked by another claim are passed over on MySQL and MariaDB; SQLite has one writer at a time.
    """
    ids = list(connection.execute(DUE, {"at_most": limit}).scalars())
    if not ids:
        return []
    # Nobody else changes rows that this transaction locked, so the claims may be told before they are made.
    claims = up_to_a_volume([Claim(*row) for row in connection.execute(CLAIMS, {"ids": ids})])
    ids = [claim.job_id for claim in claims]
    terms = {"lease_ms": int(lease_s * 1000), "within_ms": int(deadline_s * 1000)}
    connection.execute(START, terms | {"ids": ids, "worker_id": worker_id})
    fences = {claim.job_id: claim.fence for claim in claims}
    record(connection, fences, (Status.QUEUED, Status.RUNNING), actor=worker_id, reason="claimed")
    return claims


def up_to_a_volume(claims: list[Claim]) -> list[Claim]:
    """Return the first claims, up to and with the first volume."""
    for count, claim in enumerate(claims, 1):
        if claim.is_volume:
            return claims[:count]
    return claims
