"""`POST /api/v1/jobs`: scans become jobs."""

import io
from typing import Any, BinaryIO, cast

from flask import Response, jsonify, request, url_for
from flask_smorest import Blueprint
from werkzeug.exceptions import RequestEntityTooLarge

from shared.errors import BadUpload, Invalid, ScanTooLarge
from shared.settings import MIB, Settings
from web.api.documents import job_summary
from web.api.identity import caller, requires_caller
from web.api.schemas import AcceptedSchema, ProblemSchema
from web.context import current
from web.intake import receive
from web.queries import find_jobs

blueprint = Blueprint("job_submit", __name__, description="Submit scans")

FIELD = "scan"
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
BINARY = {"schema": {"type": "string", "format": "binary"}}
RAW_TYPES = ("image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "application/dicom")
MULTIPART = {
    "schema": {
        "type": "object",
        "required": [FIELD],
        "properties": {
            FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}},
            "label": {"type": "string", "maxLength": 80, "description": "A pseudonym, never a patient's name."},
        },
    }
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 64},
    "description": "The same key with the same scans answers with the first jobs instead of making others.",
}
LABEL = {"name": "label", "in": "query", "schema": {"type": "string"}, "description": "For a raw body."}


@blueprint.route("/jobs", methods=["POST"])
@blueprint.doc(
    requestBody={"content": {"multipart/form-data": MULTIPART} | dict.fromkeys(RAW_TYPES, BINARY)},
    parameters=[KEY, LABEL],
)
@blueprint.response(202, AcceptedSchema, description="Stored and queued; Location is the job, or the list.")
@blueprint.alt_response(200, schema=AcceptedSchema, description="The key was used before: the jobs of that time.")
@blueprint.alt_response(400, schema=ProblemSchema, description="No file, an empty file, or a broken body.")
@blueprint.alt_response(413, schema=ProblemSchema, description="Too large.")
@blueprint.alt_response(415, schema=ProblemSchema, description="Not a scan that can be read.")
@blueprint.alt_response(422, schema=ProblemSchema, description="A damaged header, or too small or large.")
@blueprint.alt_response(429, schema=ProblemSchema, description="A quota is used up.")
@requires_caller
def submit_scans() -> Response:
    """Submit one scan or several; each becomes a job."""
    context = current()
    streams = read_streams(context.settings)
    submission = receive(
        context,
        streams,
        user_id=caller().user_id,
        label=request.form.get("label") or request.args.get("label"),
        idempotency_key=request.headers.get("Idempotency-Key"),
    )
    with context.database.read() as connection:
        rows = {row.id: row for row in find_jobs(connection, caller().user_id, list(submission.job_ids))}
    made = [job_summary(rows[job_id]) for job_id in submission.job_ids if job_id in rows]
    # Not dumped through its schema, as `job_reads` explains.
    document: dict[str, Any] = {"jobs": made}
    if len(made) == 1:
        document |= made[0]
    response = jsonify(document)
    response.status_code = 200 if submission.replayed else 202
    response.headers["Location"] = made[0]["links"]["self"] if len(made) == 1 else url_for("jobs.read_many")
    return response


def read_streams(settings: Settings) -> list[BinaryIO]:
    """Return the scans of this request, from a form or the raw body, without ever holding more than allowed.

    Raises:
        BadUpload: a form that cannot be read, or has no boundary.
        ScanTooLarge: the body is larger than any upload may be.
        Invalid: a field that is not known.
    """
    # The sum of many scans may be large; each is bounded by itself while it is stored.
    request.max_content_length = settings.max_upload_bytes * 4 + MIB
    try:
        if request.mimetype in FORMS:
            return read_form()
        content = request.get_data(cache=False)
        if request.content_length is not None and len(content) < request.content_length:
            raise BadUpload("The upload is cut short; please send it again.", code="bad_upload")
    except RequestEntityTooLarge as error:
        limit = settings.max_upload_bytes
        raise ScanTooLarge(f"A scan may have at most {limit:,} bytes.", limit_bytes=limit) from error
    return [io.BytesIO(content)] if content else []


def read_form() -> list[BinaryIO]:
    """Return the files of a form."""
    unknown = (set(request.files) | set(request.form)) - {FIELD, "label"}
    if unknown:
        raise Invalid("The form has fields that are not known; it takes scan and label.", code="unknown_field")
    if not request.files and not request.form and (request.content_length or 0) > 0:
        # Werkzeug reads a form without end or boundary as an empty one.
        raise BadUpload(
            "The upload is cut short or its form cannot be read; please send it again.", code="bad_multipart"
        )
    return [cast(BinaryIO, file.stream) for file in request.files.getlist(FIELD)]
