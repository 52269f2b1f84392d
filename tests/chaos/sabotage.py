"""A worker with one of its guards taken out: `python -m tests.chaos.sabotage fence|keeper <celery arguments>`.

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


if __name__ == "__main__":
    {"fence": without_fence, "keeper": without_keeper}[sys.argv.pop(1)]()
    from worker.app import app

    app.start(["--quiet", *sys.argv[1:]])
