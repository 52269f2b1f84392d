"""A thread beside the work: keeps the leases, shows the phase, learns what was lost or cancelled."""

import logging
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from shared.errors import DatabaseUnavailable
from shared.jobs.claim import Claim
from shared.jobs.lease import beat, show_phase
from shared.jobs.states import Phase
from worker.runtime import Runtime

logger = logging.getLogger(__name__)

# How soon a new phase is shown. Jobs that are faster never pay for being watched.
LOOK_S = 0.5


@dataclass(frozen=True)
class Step:
    """What is being done with some jobs."""

    phase: Phase
    claims: list[Claim]
    percent: int | None = None


class Pulse:
    """Holds a batch of claims while the block runs.

    If the thread dies, the leases run out and the jobs are given to others, which is the safe way to fail.
    """

    def __init__(self, runtime: Runtime, claims: list[Claim]) -> None:
        self.runtime = runtime
        self.held = {claim.job_id: claim for claim in claims}
        self.cancelled: frozenset[str] = frozenset()
        self._now = self._shown = Step(Phase.DECODING, claims)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def turn_to(self, phase: Phase, claims: list[Claim], percent: int | None = None) -> None:
        """Say what is being done with which jobs, and how far they are; soon watchers see it."""
        self._now = Step(phase, claims, percent)

    def let_go(self, claim: Claim) -> None:
        """Stop holding a job that has been ended."""
        self.held.pop(claim.job_id, None)

    def may_finish(self, claim: Claim) -> bool:
        """Tell whether a job is still ours and wanted."""
        return claim.job_id in self.held and claim.job_id not in self.cancelled

    def _run(self) -> None:
        settings = self.runtime.settings
        since_beat_s = 0.0
        while not self._stopped.wait(min(LOOK_S, settings.heartbeat_s)):
            since_beat_s += LOOK_S
            try:
                if self._shown != self._now:
                    self._show()
                if since_beat_s >= settings.heartbeat_s:
                    since_beat_s = 0.0
                    self._beat()
            except DatabaseUnavailable:
                # The work goes on; whether it is still ours is decided when it is written.
                logger.warning("heartbeat not written worker_id=%s", self.runtime.worker_id)

    def _show(self) -> None:
        now = self._now
        claims = [claim for claim in now.claims if claim.job_id in self.held]
        self.runtime.database.run(lambda connection: show_phase(connection, claims, now.phase, now.percent))
        self._shown = now

    def _beat(self) -> None:
        claims = list(self.held.values())
        lease_s = self.runtime.settings.lease_s
        found = self.runtime.database.run(lambda connection: beat(connection, claims, lease_s=lease_s))
        self.cancelled = found.cancel_requested
        for claim in claims:
            if claim.job_id not in found.owned and claim.job_id in self.held:
                self.let_go(claim)
                logger.warning("job_id=%s is no longer ours fence=%d", claim.job_id, claim.fence)
