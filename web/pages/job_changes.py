"""What people do to their jobs: cancel, run again, delete; one by one or many at once."""

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from shared.audit import Act
from shared.errors import Conflict, Invalid, NotFound
from web.job_changes import change_job
from web.pages.blueprint import blueprint

WORDS = {Act.CANCEL: "cancelled", Act.RETRY: "queued again", Act.DELETE: "deleted"}
MOST_AT_ONCE = 200


@blueprint.post("/jobs/<job_id>/<any(cancel, retry, delete):name>")
@login_required
def change_one(job_id: str, name: str) -> ResponseReturnValue:
    """Change one job and show what became of it."""
    change_job(act := Act(name), user_id=current_user.id, job_id=job_id)
    if act == Act.DELETE:
        flash(f"The job is {WORDS[act]}.")
        return redirect(url_for("pages.jobs"))
    return redirect(url_for("pages.job", job_id=job_id))


@blueprint.post("/jobs/change")
@login_required
def change_many() -> ResponseReturnValue:
    """Change every chosen job that can be changed so, and say how many could not."""
    name, ids = request.form.get("change", ""), request.form.getlist("id")
    if name not in WORDS or len(ids) > MOST_AT_ONCE:
        raise Invalid("This cannot be done with these jobs.")
    changed = refused = 0
    for job_id in ids:
        # One transaction each: a job that refuses must not hold the others back.
        try:
            change_job(Act(name), user_id=current_user.id, job_id=job_id)
            changed += 1
        except (Conflict, NotFound):
            refused += 1
    flash(summary(changed, refused, WORDS[Act(name)]))
    # Where one was in the list is kept.
    status, label, cursor, newer = (request.args.get(name) for name in ("status", "label", "cursor", "newer"))
    return redirect(url_for("pages.jobs", status=status, label=label, cursor=cursor, newer=newer))


def summary(changed: int, refused: int, words: str) -> str:
    """Say what became of the chosen jobs."""
    if not changed and not refused:
        return "Choose some jobs first."
    said = f"{changed} job{'s' if changed != 1 else ''} {words}."
    return said + (f" {refused} could not be: their state does not allow it." if refused else "")
