"""One job: how it stands, what was found, or what went wrong."""

from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from shared.audit import Act
from shared.jobs.control import RETRYABLE
from shared.jobs.states import ACTIVE, Phase, Status
from web.api.documents import job_whole
from web.audit_trail import note_look
from web.context import current
from web.pages.advice import advise, explain
from web.pages.blueprint import blueprint
from web.pages.model_facts import read_facts
from web.pages.profile import draw_profile
from web.pages.waiting import wait_words
from web.queries import find_job, queue_position

# The page's own headline says it.
SAID_ANYWAY = "no_liver"
STEPS = (Status.QUEUED.value, *(phase.value for phase in Phase), "done")


@blueprint.get("/jobs/<job_id>")
@login_required
def job(job_id: str) -> ResponseReturnValue:
    """Show a job."""
    with current().database.read() as connection:
        row = find_job(connection, current_user.id, job_id)
        found = job_whole(row, queue_position(connection, row))
        wait = wait_words(connection, found["position"])
    error, result = found["error"], found["result"]
    if result:
        note_look(Act.VIEW, user_id=current_user.id, job_id=row.id)
    return render_template(
        "job.html",
        job=found,
        job_version=row.version,
        steps=steps(found),
        wait=wait,
        is_live=found["status"] in ACTIVE,
        is_retryable=found["status"] in RETRYABLE,
        advice=advise(error["code"]) if error else "",
        warnings=[explain(code) for code in result["warnings"] if code != SAID_ANYWAY] if result else [],
        facts=read_facts(current().settings.model_dir) if result else None,
        profile=draw_profile(result) if result and result["scope"] == "volume" else None,
    )


def steps(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the stations of a job's way: name, state (done, now, stopped or empty), and when or how long."""
    status = found["status"]
    result = found["result"] or {}
    phases: dict[str, float] = result.get("seconds", {})
    if status in (Status.FAILED, Status.DEAD, Status.CANCELLED):
        began = found["started_at"] is not None
        reached = STEPS.index(found["phase"]) if found["phase"] in STEPS else int(began)
    else:
        reached = {Status.QUEUED: 0, Status.SUCCEEDED: len(STEPS) - 1}.get(
            status, STEPS.index(found["phase"] or STEPS[1])
        )
    shown = []
    for index, name in enumerate(STEPS):
        state = "done" if index < reached or status == Status.SUCCEEDED else ""
        if index == reached and status != Status.SUCCEEDED:
            state = "now" if status in ACTIVE else "stopped"
        shown.append({"name": name, "state": state, "seconds": phases.get(name)})
    return shown
