"""Write into the audit log: in the transaction that does what is noted, so that neither is there without the other."""

from sqlalchemy import Connection, insert

from shared.audit.acts import Act
from shared.database import now_ms
from shared.tables import audit_log

INSERT = insert(audit_log).values(at_ms=now_ms())


def note(
    connection: Connection, act: Act, *, user_id: str | None, object_id: str | None = None, origin: str | None = None
) -> None:
    """Note that somebody did something.

    Args:
        connection: of the transaction that does it.
        act: what.
        user_id: who; None for a command on the machine itself, or an unknown name.
        object_id: of the job, submission, user or token it was done to.
        origin: a keyed digest of the address it came from.
    """
    connection.execute(INSERT, {"act": act, "user_id": user_id, "object_id": object_id, "origin": origin})
