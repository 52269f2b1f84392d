"""How many bytes each user stores: kept, not counted, so that an upload costs the same however many came before.

Kept in several rows a user, of which each upload takes one at random: with a single row, uploads of one user would wait
for each other's commits.
"""

import random

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.tables import usage

SLOTS = 8
# How many bytes the user `user_id` stores, as part of a query.
STORED_BYTES = (
    select(func.coalesce(func.sum(usage.c.stored_bytes), 0))
    .where(usage.c.user_id == bindparam("user_id"))
    .scalar_subquery()
)
RAISE = (
    update(usage)
    .where(usage.c.user_id == bindparam("whose"), usage.c.slot == bindparam("which"))
    .values(stored_bytes=usage.c.stored_bytes + bindparam("size_bytes"))
)


def add_stored_bytes(connection: Connection, user_id: str, size_bytes: int) -> None:
    """Note that a user stores so many bytes more, or less, in the transaction that makes it so."""
    slot = random.randrange(SLOTS)
    more = {"whose": user_id, "which": slot, "size_bytes": size_bytes}
    if connection.execute(RAISE, more).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(usage).values(user_id=user_id, slot=slot, stored_bytes=size_bytes))
    except IntegrityError:
        # Another upload made the row meanwhile.
        connection.execute(RAISE, more)
