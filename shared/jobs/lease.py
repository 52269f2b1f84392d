"""A worker keeps its jobs, or gives them back."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, select, update

from shared.database import now_ms
from shared.jobs.claim import Claim
from shared.jobs.events import record
from shared.jobs.states import PHASE_PERCENT, Phase, Status
from shared.tables import jobs


@dataclass(frozen=True)
class Beat:
    """What a heartbeat found: which jobs are still ours, and which of them somebody wants cancelled."""

    owned: frozenset[str]
    cancel_requested: frozenset[str]


def owned_by(claim: Claim) -> ColumnElement[bool]:
    """The condition every write of a worker carries: running, and nobody has taken the job since."""
    return and_(jobs.c.id == claim.job_id, jobs.c.fence == claim.fence, jobs.c.status == Status.RUNNING)


def beat(connection: Connection, claims: list[Claim], *, lease_s: float) -> Beat:
    """Extend the leases of running jobs, never past their deadlines."""
    until = now_ms() + int(lease_s * 1000)
    owned = set()
    for claim in claims:
        extended = case((jobs.c.deadline_ms < until, jobs.c.deadline_ms), else_=until)
        changed = connection.execute(update(jobs).where(owned_by(claim)).values(lease_until_ms=extended))
        if changed.rowcount:
            owned.add(claim.job_id)
    wanted = select(jobs.c.id).where(jobs.c.id.in_(owned), jobs.c.cancel_requested_ms.is_not(None))
    return Beat(frozenset(owned), frozenset(connection.execute(wanted).scalars()))


def show_phase(connection: Connection, claims: list[Claim], phase: Phase, percent: int | None = None) -> None:
    """Let watchers see what running jobs are doing, and how far they are; None: at the phase's beginning."""
    shown = PHASE_PERCENT[phase] if percent is None else percent
    for claim in claims:
        connection.execute(
            update(jobs).where(owned_by(claim)).values(phase=phase, progress_percent=shown, version=jobs.c.version + 1)
        )


def release(connection: Connection, claim: Claim, *, actor: str) -> bool:
    """Give an unfinished job back untouched, as a worker that is being stopped does; the attempt does not count."""
    given_back = connection.execute(
        update(jobs)
        .where(owned_by(claim))
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
    if not given_back.rowcount:
        return False
    change = (Status.RUNNING, Status.QUEUED)
    record(connection, {claim.job_id: claim.fence + 1}, change, actor=actor, reason="released")
    return True
