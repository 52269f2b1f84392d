"""What people do to their jobs: cancel, run again, delete; one by one or many at once."""

from functools import partial
from typing import Protocol

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required
from sqlalchemy import Connection

from shared.errors import Conflict, Invalid, NotFound
from shared.jobs import control
from web.context import current
from web.pages.blueprint import blueprint


class Change(Protocol):
    """What `shared.jobs.control` does to one job."""

    def __call__(self, connection: Connection, user_id: str, job_id: str) -> object: ...


CHANGES: dict[str, tuple[Change, str]] = {
    "cancel": (control.cancel, "cancelled"),
    "retry": (control.retry, "queued again"),
    "delete": (control.delete_job, "deleted"),
}
MOST_AT_ONCE = 200


@blueprint.post("/jobs/<job_id>/<any(cancel, retry, delete):name>")
@login_required
def change_job(job_id: str, name: str) -> ResponseReturnValue:
    """Change one job and show what became of it."""
    change, words = CHANGES[name]
    current().database.run(partial(change, user_id=current_user.id, job_id=job_id))
    if name == "retry":
        current().ringer.ring([job_id])
    if name == "delete":
        flash(f"The job is {words}.")
        return redirect(url_for("pages.jobs"))
    return redirect(url_for("pages.job", job_id=job_id))


@blueprint.post("/jobs/change")
@login_required
def change_jobs() -> ResponseReturnValue:
    """Change every chosen job that can be changed so, and say how many could not."""
    name, ids = request.form.get("change", ""), request.form.getlist("id")
    if name not in CHANGES or len(ids) > MOST_AT_ONCE:
        raise Invalid("This cannot be done with these jobs.")
    change, words = CHANGES[name]
    changed, refused = [], 0
    for job_id in ids:
        # One transaction each: a job that refuses must not hold the others back.
        try:
            current().database.run(partial(change, user_id=current_user.id, job_id=job_id))
            changed.append(job_id)
        except (Conflict, NotFound):
            refused += 1
    if name == "retry" and changed:
        current().ringer.ring(changed)
    flash(summary(len(changed), refused, words))
    # Where one was in the list is kept.
    status, label, cursor = (request.args.get(name) for name in ("status", "label", "cursor"))
    return redirect(url_for("pages.jobs", status=status, label=label, cursor=cursor))


def summary(changed: int, refused: int, words: str) -> str:
    """Say what became of the chosen jobs."""
    if not changed and not refused:
        return "Choose some jobs first."
    said = f"{changed} job{'s' if changed != 1 else ''} {words}."
    return said + (f" {refused} could not be: their state does not allow it." if refused else "")
