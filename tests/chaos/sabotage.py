"""A worker with a guard taken out: `python -m tests.chaos.sabotage fence|keeper|turn <celery arguments>`.

The chaos tests must go red with it, or they prove nothing.
"""

import sys

import shared.jobs.finish
import shared.jobs.lease
from shared.tables import jobs


def without_fence() -> None:
    """Let a worker write whatever has become of its job meanwhile."""

    def any_owner(claim):  # type: ignore[no-untyped-def]
        return jobs.c.id == claim.job_id

    shared.jobs.lease.owned_by = any_owner
    shared.jobs.finish.owned_by = any_owner


def without_keeper() -> None:
    """Let nobody take jobs back from silent workers or ring again."""
    from worker.keeper import Keeper

    Keeper.start = lambda self, consumer: None  # type: ignore[method-assign]


def without_keeper_in_short_turns() -> None:
    """Let each doorbell be good for one batch: the next must be heard by a doorbell passed on."""
    import worker.tasks

    without_keeper()
    worker.tasks.DRAIN_S = 0


if __name__ == "__main__":
    {"fence": without_fence, "keeper": without_keeper, "turn": without_keeper_in_short_turns}[sys.argv.pop(1)]()
    from worker.app import app

    app.start(["--quiet", *sys.argv[1:]])
