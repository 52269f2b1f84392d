"""The states of a job, and which follow which."""

from enum import StrEnum


class Status(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """What a running job is doing."""

    DECODING = "decoding"
    INFERRING = "inferring"
    MEASURING = "measuring"


ACTIVE = (Status.QUEUED, Status.RUNNING)
TERMINAL = (Status.SUCCEEDED, Status.FAILED, Status.DEAD, Status.CANCELLED)

# Per cent shown when a phase begins; inference is by far the longest.
PHASE_PERCENT = {Phase.DECODING: 10, Phase.INFERRING: 40, Phase.MEASURING: 80}

ALLOWED: frozenset[tuple[Status | None, Status]] = frozenset(
    {
        (None, Status.QUEUED),
        (Status.QUEUED, Status.RUNNING),
        (Status.QUEUED, Status.CANCELLED),
        (Status.RUNNING, Status.SUCCEEDED),
        (Status.RUNNING, Status.FAILED),
        (Status.RUNNING, Status.QUEUED),
        (Status.RUNNING, Status.DEAD),
        (Status.RUNNING, Status.CANCELLED),
        (Status.FAILED, Status.QUEUED),
        (Status.DEAD, Status.QUEUED),
        (Status.CANCELLED, Status.QUEUED),
    }
)
