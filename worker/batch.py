"""Work on a batch of claims: each is read, measured and finished by itself; a bad scan takes no other with it.

Slices come first and together; a volume, which takes as long as many, after them.
"""

from functools import partial

import numpy as np

from shared.jobs import finish
from shared.jobs.claim import Claim
from shared.jobs.lease import release
from shared.jobs.states import Phase
from worker.analysis import Case, decode, infer_cases, measure_case
from worker.endings import end, end_cancelled, write
from worker.pulse import Pulse
from worker.runtime import Runtime
from worker.volume_batch import work_on_volume

Work = dict[Claim, Case]


def work_on(runtime: Runtime, claims: list[Claim]) -> None:
    """Bring every claim to its end, or back to the queue."""
    with Pulse(runtime, claims) as pulse:
        try:
            if slices := [claim for claim in claims if not claim.is_volume]:
                work_on_slices(runtime, pulse, slices)
            for claim in claims:
                if claim.is_volume:
                    work_on_volume(runtime, pulse, claim)
        except SystemExit:
            # The worker is being stopped: what is unfinished goes back untouched, for another to take at once.
            for claim in list(pulse.held.values()):
                runtime.database.run(partial(release, claim=claim, actor=runtime.worker_id))
            raise


def work_on_slices(runtime: Runtime, pulse: Pulse, claims: list[Claim]) -> None:
    """Bring the claims of slices to their end."""
    cases = decode_all(runtime, pulse, claims)
    pulse.turn_to(Phase.INFERRING, claims)
    probabilities = infer_all(runtime, pulse, cases)
    pulse.turn_to(Phase.MEASURING, claims)
    for claim, found in probabilities.items():
        measure_one(runtime, pulse, claim, cases[claim], found)


def decode_all(runtime: Runtime, pulse: Pulse, claims: list[Claim]) -> Work:
    """Read every scan; those that cannot be read are ended here."""
    cases: Work = {}
    for claim in claims:
        try:
            content = runtime.storage.get(claim.content_sha256)
            cases[claim] = decode(content, claim.content_sha256, runtime.sandbox.read_scan)
        except Exception as error:
            end(runtime, pulse, claim, error)
    return cases


def infer_all(runtime: Runtime, pulse: Pulse, cases: Work) -> dict[Claim, np.ndarray]:
    """Run the network over the batch; if that fails, over each scan alone, to find the one at fault."""
    wanted = [claim for claim in cases if pulse.may_finish(claim)]
    end_cancelled(runtime, pulse, [claim for claim in cases if claim not in wanted])
    if not wanted:
        return {}
    try:
        found = infer_cases([cases[claim] for claim in wanted], runtime.segmenter)
        return dict(zip(wanted, found, strict=True))
    except Exception as error:
        if len(wanted) == 1:
            end(runtime, pulse, wanted[0], error)
            return {}
    return {k: v for claim in wanted for k, v in infer_all(runtime, pulse, {claim: cases[claim]}).items()}


def measure_one(runtime: Runtime, pulse: Pulse, claim: Claim, case: Case, probabilities: np.ndarray) -> None:
    """Measure one scan and write its result."""
    if not pulse.may_finish(claim):
        end_cancelled(runtime, pulse, [claim])
        return
    try:
        outcome = measure_case(case, probabilities, runtime.segmenter)
        if write(runtime, claim, lambda c: finish.succeed(c, claim, outcome, actor=runtime.worker_id)):
            pulse.let_go(claim)
        else:
            end_cancelled(runtime, pulse, [claim])
    except Exception as error:
        end(runtime, pulse, claim, error)
