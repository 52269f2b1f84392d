"""`GET /api/v1/jobs`: how jobs stand."""

from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue
from flask_smorest import Blueprint
from marshmallow import RAISE

from shared.audit import Act
from shared.jobs.states import ACTIVE, Status
from web.api.documents import job_status, job_summary, job_whole
from web.api.identity import caller, requires_caller
from web.api.schemas import (
    JobListSchema,
    JobQuerySchema,
    JobSchema,
    JobStatusesSchema,
    JobStatusQuerySchema,
    ProblemSchema,
)
from web.audit_trail import note_look
from web.context import current
from web.queries import find_job, find_jobs, find_statuses, list_jobs, queue_position

blueprint = Blueprint("jobs", __name__, description="Watch jobs")

RETRY_AFTER_S = "1"


@blueprint.route("/jobs", methods=["GET"])
@requires_caller
@blueprint.arguments(JobQuerySchema, location="query", unknown=RAISE)
@blueprint.response(200, JobListSchema)
@blueprint.alt_response(422, schema=ProblemSchema, description="A filter that is not known.")
def read_many(query: dict[str, Any]) -> ResponseReturnValue:
    """List jobs, newest first, or ask for many by their ids."""
    user_id = caller().user_id
    ids = query.pop("ids", None)
    with current().database.read() as connection:
        if ids is not None:
            rows, following = find_jobs(connection, user_id, named(ids)), None
        else:
            page = list_jobs(connection, user_id, **query)
            rows, following = page.rows, page.next_cursor
    return answer({"jobs": [job_summary(row) for row in rows], "next_cursor": following})


@blueprint.route("/jobs/status", methods=["GET"])
@requires_caller
@blueprint.arguments(JobStatusQuerySchema, location="query", unknown=RAISE)
@blueprint.response(200, JobStatusesSchema)
@blueprint.alt_response(422, schema=ProblemSchema, description="No ids, or too many.")
def read_statuses(query: dict[str, Any]) -> ResponseReturnValue:
    """Ask how many jobs stand, as cheaply as can be: for polling."""
    with current().database.read() as connection:
        rows = find_statuses(connection, caller().user_id, named(query["ids"]))
    return answer({"jobs": [job_status(row) for row in rows]})


def named(ids: str) -> list[str]:
    """Return the ids of a comma-separated list."""
    return [i for i in ids.split(",") if i]


def answer(document: dict[str, Any]) -> ResponseReturnValue:
    """Answer with a document, or with 304 to whoever has it already.

    Not dumped through its schema, which says the same and takes longer than everything else.
    """
    response = jsonify(document)
    response.add_etag()
    response.headers["Cache-Control"] = "private, no-cache"
    return response.make_conditional(request)


@blueprint.route("/jobs/<job_id>", methods=["GET"])
@blueprint.response(200, JobSchema, headers={"ETag": {"schema": {"type": "string"}}})
@blueprint.alt_response(304, description="Unchanged since the given ETag.", success=True)
@blueprint.alt_response(404, schema=ProblemSchema, description="No such job.")
@requires_caller
def read(job_id: str) -> ResponseReturnValue:
    """Read one job, with its result once it succeeded."""
    with current().database.read() as connection:
        row = find_job(connection, caller().user_id, job_id)
        position = queue_position(connection, row)
    if row.status == Status.SUCCEEDED:
        note_look(Act.VIEW, user_id=caller().user_id, job_id=row.id)
    response = jsonify(JobSchema().dump(job_whole(row, position)))
    response.set_etag(f"{row.id}-{row.version}-{position or 0}")
    response.headers["Cache-Control"] = "private, no-cache"
    if row.status in ACTIVE:
        response.headers["Retry-After"] = RETRY_AFTER_S
    return response.make_conditional(request)
