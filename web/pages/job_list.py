"""The list of one's jobs, and single rows of it for the page's script to put in place of old ones."""

from functools import partial
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from shared.identifiers import is_id
from shared.jobs.states import ACTIVE, Status
from web.api.documents import job_summary
from web.context import current
from web.intake import MAX_LABEL_LENGTH
from web.pages.blueprint import blueprint
from web.queries import find_jobs, list_jobs

PAGE_JOBS = 50
# What the tabs above the list say.
TABS = {"": "All", **{status.value: status.value.capitalize() for status in Status}} | {Status.DEAD.value: "Set aside"}


@blueprint.get("/jobs")
@login_required
def jobs() -> ResponseReturnValue:
    """List jobs, newest first. State, label and place are in the address, to be kept or sent to somebody."""
    status = request.args.get("status", "")
    status = status if status in TABS else ""
    label = request.args.get("label", "").strip()[:MAX_LABEL_LENGTH]
    cursor, newer_than = (name if is_id(name := request.args.get(key, "")) else "" for key in ("cursor", "newer"))
    find = partial(list_jobs, user_id=current_user.id, status=status, label=label, limit=PAGE_JOBS)
    with current().database.read() as connection:
        page = find(connection, cursor=cursor, newer_than=newer_than)
        # Fewer than a page's: begin with the newest, which may have come meanwhile.
        if newer_than and not page.newer_cursor:
            page = find(connection)
    shown = [job_summary(row) for row in page.rows]
    return render_template(
        "jobs.html",
        jobs=shown,
        counts=count_states(shown),
        tabs=TABS,
        status=status,
        label=label,
        cursor=cursor,
        newer_than=newer_than,
        next_cursor=page.next_cursor,
        newer_cursor=page.newer_cursor,
        is_live=any(job["status"] in ACTIVE for job in shown),
    )


@blueprint.get("/jobs/rows")
@login_required
def job_rows() -> ResponseReturnValue:
    """Render some rows of the list."""
    ids = [text for text in request.args.get("ids", "").split(",") if is_id(text)]
    with current().database.read() as connection:
        rows = find_jobs(connection, current_user.id, ids[: PAGE_JOBS * 2])
    return render_template("job_rows.html", jobs=[job_summary(row) for row in rows])


def count_states(shown: list[dict[str, Any]]) -> dict[str, int]:
    """Count the jobs on a page by state; all that there ever were would take ever longer to count."""
    counts = dict.fromkeys((status.value for status in Status), 0)
    for job in shown:
        counts[job["status"]] += 1
    return counts
