"""A worker keeps its jobs, or gives them back."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, select, update

from shared.database import now_ms
from shared.jobs.claim import Claim
from shared.jobs.events import record
from shared.jobs.states import PHASE_PERCENT, Phase, Status
from shared.tables import jobs

# The condition every write of a worker carries: running, and nobody has taken the job since. Statements with it are
# built once: to build one takes as long as to have it executed.
OWNED = and_(
    jobs.c.id == bindparam("owned_id"), jobs.c.fence == bindparam("owned_fence"), jobs.c.status == Status.RUNNING
)
RELEASE = (
    update(jobs)
    .where(OWNED)
    .values(
        status=Status.QUEUED,
        phase=None,
        progress_percent=0,
        attempt=jobs.c.attempt - 1,
        fence=jobs.c.fence + 1,
        version=jobs.c.version + 1,
        worker_id=None,
        lease_until_ms=None,
        deadline_ms=None,
        available_ms=now_ms(),
        published_ms=0,
    )
)
SHOW_PHASE = update(jobs).where(OWNED).values(version=jobs.c.version + 1)


@dataclass(frozen=True)
class Beat:
    """What a heartbeat found: which jobs are still ours, and which of them somebody wants cancelled."""

    owned: frozenset[str]
    cancel_requested: frozenset[str]


def owning(claim: Claim) -> dict[str, Any]:
    """Return the parameters of `OWNED` for a claim."""
    return {"owned_id": claim.job_id, "owned_fence": claim.fence}


def beat(connection: Connection, claims: list[Claim], *, lease_s: float) -> Beat:
    """Extend the leases of running jobs, never past their deadlines."""
    until = now_ms() + int(lease_s * 1000)
    extended = case((jobs.c.deadline_ms < until, jobs.c.deadline_ms), else_=until)
    extend = update(jobs).where(OWNED).values(lease_until_ms=extended)
    owned = {claim.job_id for claim in claims if connection.execute(extend, owning(claim)).rowcount}
    wanted = select(jobs.c.id).where(jobs.c.id.in_(owned), jobs.c.cancel_requested_ms.is_not(None))
    return Beat(frozenset(owned), frozenset(connection.execute(wanted).scalars()))


def show_phase(connection: Connection, claims: list[Claim], phase: Phase, percent: int | None = None) -> None:
    """Let watchers see what running jobs are doing, and how far they are; None: at the phase's beginning."""
    shown = PHASE_PERCENT[phase] if percent is None else percent
    for claim in claims:
        connection.execute(SHOW_PHASE, owning(claim) | {"phase": phase, "progress_percent": shown})


def release(connection: Connection, claim: Claim, *, actor: str) -> bool:
    """Give an unfinished job back untouched, as a worker that is being stopped does; the attempt does not count."""
    if not connection.execute(RELEASE, owning(claim)).rowcount:
        return False
    change = (Status.RUNNING, Status.QUEUED)
    record(connection, {claim.job_id: claim.fence + 1}, change, actor=actor, reason="released")
    return True
