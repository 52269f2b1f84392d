"""How a claim ends other than well, and how any end is written."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection

from models.errors import InvalidScan
from shared import tallies
from shared.errors import DatabaseUnavailable, InfrastructureError
from shared.jobs import finish
from shared.jobs.claim import Claim
from shared.storage import CorruptObject, MissingObject
from worker.pulse import Pulse
from worker.runtime import Runtime

logger = logging.getLogger(__name__)


def end_cancelled(runtime: Runtime, pulse: Pulse, claims: list[Claim]) -> None:
    """End jobs that somebody asked to cancel; of those we lost to others, nothing is written."""
    for claim in claims:
        write(runtime, claim, partial(finish.finish_cancelled, claim=claim, actor=runtime.worker_id))
        pulse.let_go(claim)


def end(runtime: Runtime, pulse: Pulse, claim: Claim, error: Exception) -> None:
    """Write what went wrong: the scan's fault ends the job, ours is worth another attempt.

    MemoryError must not leave the task: Celery would stop the whole worker, and each one after it.
    """
    permanent = permanent_fault(error)
    if permanent:
        code, detail = permanent
        logger.info("job_id=%s failed code=%s", claim.job_id, code)
        write(runtime, claim, lambda c: finish.fail(c, claim, code=code, detail=detail, actor=runtime.worker_id))
    else:
        code, detail = transient_fault(error)
        logger.error("job_id=%s fault code=%s attempt=%d", claim.job_id, code, claim.attempt, exc_info=error)
        again = partial(
            finish.retry_or_die,
            claim=claim,
            code=code,
            detail=detail,
            actor=runtime.worker_id,
            max_attempts=runtime.settings.max_attempts,
            backoff_s=runtime.settings.backoff_s,
        )
        write(runtime, claim, again)
    pulse.let_go(claim)


def permanent_fault(error: Exception) -> tuple[str, str] | None:
    """Return code and sentence of a fault that another attempt cannot mend."""
    if isinstance(error, InvalidScan):
        return error.code, error.detail
    if isinstance(error, MissingObject):
        return "input_missing", "The stored scan is gone; please upload it again."
    if isinstance(error, CorruptObject):
        return "storage_corrupt", "The stored scan is damaged; please upload it again."
    return None


def transient_fault(error: Exception) -> tuple[str, str]:
    """Return code and sentence of a fault of ours."""
    if isinstance(error, MemoryError):
        return "out_of_memory", "There was not enough memory for this scan."
    if isinstance(error, InfrastructureError):
        return error.code, error.detail
    return "internal", "Something went wrong on our side."


def write(runtime: Runtime, claim: Claim, work: Callable[[Connection], bool]) -> bool:
    """Write an end, patiently: the database may be gone for a moment.

    Trying again is safe even when a COMMIT's outcome is unknown, for the fence lets only the first one through.
    Past the lease there is no point: the keeper has given the job to another.

    Returns:
        Whether this write ended the job. False also when an earlier try, of unknown outcome, did.
    """
    give_up_s = time.monotonic() + runtime.settings.lease_s
    while True:
        try:
            written = runtime.database.run(work)
        except DatabaseUnavailable:
            if time.monotonic() > give_up_s:
                logger.warning("job_id=%s not written fence=%d", claim.job_id, claim.fence)
                return False
            time.sleep(1)
        else:
            if not written:
                logger.warning("job_id=%s write refused fence=%d", claim.job_id, claim.fence)
                with suppress(DatabaseUnavailable):  # a number is not worth another try
                    runtime.database.run(lambda c: tallies.add(c, {"writes_refused": 1}))
            return written
