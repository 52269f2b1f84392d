"""What people do to a job, from a page or a program: changed and noted in one transaction, then rung for."""

from functools import partial
from typing import Any

from shared.audit import Act
from shared.jobs import control
from web.audit_trail import noted
from web.context import current

CHANGES = {Act.CANCEL: control.cancel, Act.RETRY: control.retry, Act.DELETE: control.delete_job}


def change_job(act: Act, *, user_id: str, job_id: str) -> Any:
    """Cancel, retry or delete a user's job; return what `shared.jobs.control` says.

    Raises:
        NotFound: no such job of this user.
        Conflict: its state does not allow it.
    """
    work = partial(CHANGES[act], user_id=user_id, job_id=job_id)
    outcome = noted(act, work, user_id=user_id, object_id=job_id)
    if act == Act.RETRY:
        current().ringer.ring([job_id])
    return outcome
