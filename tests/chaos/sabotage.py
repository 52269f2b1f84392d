"""A worker with a guard taken out: `python -m tests.chaos.sabotage fence|keeper|turn <celery arguments>`.

The chaos tests must go red with it, or they prove nothing.
"""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, bindparam, or_
from sqlalchemy.sql.visitors import replacement_traverse

from shared.jobs import finish, lease
from shared.tables import jobs

FENCE = bindparam("owned_fence")
# The parameter must stay, or the statement would not take it.
ANY_OWNER = and_(jobs.c.id == bindparam("owned_id"), or_(jobs.c.fence == FENCE, jobs.c.fence != FENCE))


def unfenced() -> Iterator[tuple[ModuleType, str, ColumnElement | Update]]:
    """Yield every statement a worker writes with, and where it is, with a condition that the fence has no part in."""

    def any_owner(element: Any, **_: Any) -> ColumnElement | None:
        return ANY_OWNER if element is lease.OWNED else None

    for module in (finish, lease):
        for name, value in list(vars(module).items()):
            if isinstance(value, Update):
                yield module, name, replacement_traverse(value, {}, any_owner)
    for module in (finish, lease):
        yield module, "OWNED", ANY_OWNER


def without_fence() -> None:
    """Let a worker write whatever has become of its job meanwhile."""
    for module, name, statement in list(unfenced()):
        setattr(module, name, statement)


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
