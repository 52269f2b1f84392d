"""Work on the claim of a volume: slice by slice, and between slices it can be cancelled or lost."""

from collections.abc import Callable
from time import perf_counter

from shared.jobs import finish
from shared.jobs.claim import Claim
from shared.jobs.finish import Outcome
from shared.jobs.states import Phase
from worker.endings import end, end_cancelled, write
from worker.pulse import Pulse
from worker.runtime import Runtime
from worker.volume_analysis import VolumeCase, infer_volume, measure_case_volume

# Per cent shown at the beginning and end of what takes long: a slice infers about twice as long as it is measured.
INFERRING, MEASURING = (10, 65), (65, 98)


class Unwanted(Exception):
    """The job was cancelled, or given to another worker, while it was worked on."""


def work_on_volume(runtime: Runtime, pulse: Pulse, claim: Claim) -> None:
    """Read, measure and finish one volume."""
    pulse.turn_to(Phase.DECODING, [claim])
    try:
        check_wanted(pulse, claim)
        outcome = analyse(runtime, pulse, claim)
        check_wanted(pulse, claim)
        if not write(runtime, claim, lambda c: finish.succeed(c, claim, outcome, actor=runtime.worker_id)):
            raise Unwanted
        pulse.let_go(claim)
    except Unwanted:
        end_cancelled(runtime, pulse, [claim])
    except Exception as error:
        end(runtime, pulse, claim, error)
    finally:
        runtime.sandbox.drop_rest()


def analyse(runtime: Runtime, pulse: Pulse, claim: Claim) -> Outcome:
    """Return a volume's result.

    Raises:
        Unwanted: nobody wants it any more.
        models.errors.InvalidScan: it cannot be used; carries a code and a sentence.
    """
    start = perf_counter()
    volume = runtime.sandbox.read_volume(runtime.storage.get(claim.content_sha256))
    case = VolumeCase(claim.content_sha256, volume, {"decoding": perf_counter() - start})
    infer_volume(case, runtime.segmenter, watched(pulse, claim, Phase.INFERRING, *INFERRING))
    return measure_case_volume(case, runtime.segmenter, watched(pulse, claim, Phase.MEASURING, *MEASURING))


def watched(pulse: Pulse, claim: Claim, phase: Phase, first: int, last: int) -> Callable[[float], None]:
    """Return what shows the share of a phase that is done, as per cent of the whole, and ends unwanted work."""

    def look(share: float) -> None:
        check_wanted(pulse, claim)
        pulse.turn_to(phase, [claim], round(first + share * (last - first)))

    return look


def check_wanted(pulse: Pulse, claim: Claim) -> None:
    """End work that nobody wants.

    Raises:
        Unwanted: the job is cancelled, or no longer ours.
    """
    if not pulse.may_finish(claim):
        raise Unwanted
