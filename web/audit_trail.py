"""Note in the audit log what a request does."""

import hmac
from collections.abc import Callable
from typing import TypeVar

from flask import current_app, request
from sqlalchemy import Connection, select

from shared import audit
from shared.audit import Act
from shared.database import now_ms
from shared.identifiers import is_id
from shared.tables import audit_log
from web.context import current
from web.login_throttle import network_of

Result = TypeVar("Result")
ORIGIN_DIGITS = 16
# A page asks for several pictures of a job: they are one look at it.
SAME_LOOK_MS = 60_000


def note(connection: Connection, act: Act, *, user_id: str | None, object_id: str | None = None) -> None:
    """Note what this request does, in the transaction that does it."""
    # What a caller made up is not to fill the log.
    known = object_id if object_id is not None and is_id(object_id) else None
    audit.note(connection, act, user_id=user_id, object_id=known, origin=origin())


def noted(
    act: Act, work: Callable[[Connection], Result], *, user_id: str | None, object_id: str | None = None
) -> Result:
    """Run `work` in a transaction that also notes it."""

    def both(connection: Connection) -> Result:
        result = work(connection)
        note(connection, act, user_id=user_id, object_id=object_id)
        return result

    return current().database.run(both)


def note_look(act: Act, *, user_id: str, job_id: str) -> None:
    """Note that somebody looks at a job's result or takes it away; once a minute is enough to say so.

    Raises:
        DatabaseUnavailable: it cannot be noted, so it must not be shown.
    """
    database = current().database
    recent = select(audit_log.c.seq).where(
        audit_log.c.object_id == job_id,
        audit_log.c.user_id == user_id,
        audit_log.c.act == act,
        audit_log.c.at_ms > now_ms() - SAME_LOOK_MS,
    )
    with database.read() as connection:
        if connection.execute(recent.limit(1)).first() is not None:
            return
    database.run(lambda c: note(c, act, user_id=user_id, object_id=job_id))


def origin() -> str:
    """Return a keyed digest of the caller's network: equal for equal networks, and it cannot be turned back."""
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.digest(key, network_of(request.remote_addr or "").encode(), "sha256").hex()[:ORIGIN_DIGITS]
