"""Cancel, retry and delete jobs."""

from flask import Response, jsonify
from flask_smorest import Blueprint

from shared.audit import Act
from shared.jobs.states import Status
from web.api.documents import job_whole
from web.api.identity import caller, requires_caller
from web.api.schemas import JobSchema, ProblemSchema
from web.context import current
from web.job_changes import change_job
from web.queries import find_job, queue_position

blueprint = Blueprint("job_actions", __name__, description="Change jobs")


@blueprint.route("/jobs/<job_id>/cancel", methods=["POST"])
@blueprint.response(200, JobSchema, description="Cancelled.")
@blueprint.alt_response(202, schema=JobSchema, description="It runs; it is asked to stop.", success=True)
@blueprint.alt_response(404, schema=ProblemSchema, description="No such job.")
@blueprint.alt_response(409, schema=ProblemSchema, description="It has ended otherwise.")
@requires_caller
def cancel_job(job_id: str) -> Response:
    """Cancel a job: at once while it waits, within seconds while it runs."""
    status = change_job(Act.CANCEL, user_id=caller().user_id, job_id=job_id)
    return show(job_id, 200 if status == Status.CANCELLED else 202)


@blueprint.route("/jobs/<job_id>/retry", methods=["POST"])
@blueprint.response(202, JobSchema, description="Queued again.")
@blueprint.alt_response(404, schema=ProblemSchema, description="No such job.")
@blueprint.alt_response(409, schema=ProblemSchema, description="Only failed, dead and cancelled jobs run again.")
@requires_caller
def retry_job(job_id: str) -> Response:
    """Run a failed, dead or cancelled job again."""
    change_job(Act.RETRY, user_id=caller().user_id, job_id=job_id)
    return show(job_id, 202)


@blueprint.route("/jobs/<job_id>", methods=["DELETE"])
@blueprint.response(204, description="Gone, with its result; the scan follows within minutes.")
@blueprint.alt_response(404, schema=ProblemSchema, description="No such job.")
@requires_caller
def delete_job(job_id: str) -> Response:
    """Delete a job and its result; an unfinished one is cancelled first."""
    change_job(Act.DELETE, user_id=caller().user_id, job_id=job_id)
    return Response(status=204)


def show(job_id: str, status: int) -> Response:
    """Answer with the job as it is now."""
    with current().database.read() as connection:
        row = find_job(connection, caller().user_id, job_id)
        document = job_whole(row, queue_position(connection, row))
    response = jsonify(JobSchema().dump(document))
    response.status_code = status
    return response
