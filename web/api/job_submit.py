"""`POST /api/v1/jobs`: scans become jobs."""

from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from flask import Response, jsonify, request, url_for
from flask_smorest import Blueprint
from werkzeug.exceptions import RequestEntityTooLarge

from shared.errors import BadUpload, Invalid, ScanTooLarge
from shared.jobs.submit import Submission
from shared.settings import MIB, Settings
from shared.storage import CHUNK_BYTES
from web.api.documents import job_summary
from web.api.identity import caller, requires_caller
from web.api.schemas import AcceptedSchema, ProblemSchema
from web.context import Context, current
from web.intake import receive
from web.queries import SummaryRow, find_jobs, just_submitted

blueprint = Blueprint("job_submit", __name__, description="Submit scans")

FIELD = "scan"
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
BINARY = {"schema": {"type": "string", "format": "binary"}}
RAW_TYPES = (
    "image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "application/dicom", "application/gzip",
    "application/zip", "application/octet-stream",
)  # fmt: skip
# What is longer goes to the disk while it comes in.
IN_MEMORY_BYTES = 1024 * 1024
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
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as body:
        submission = receive(
            context,
            read_streams(context.settings, cast(BinaryIO, body)),
            user_id=caller().user_id,
            label=request.form.get("label") or request.args.get("label"),
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
    made = [job_summary(row) for row in jobs_of(context, submission)]
    # Not dumped through its schema, as `job_reads` explains.
    document: dict[str, Any] = {"jobs": made}
    if len(made) == 1:
        document |= made[0]
    response = jsonify(document)
    response.status_code = 200 if submission.replayed else 202
    response.headers["Location"] = made[0]["links"]["self"] if len(made) == 1 else url_for("jobs.read_many")
    return response


def jobs_of(context: Context, submission: Submission) -> Sequence[SummaryRow]:
    """Return the jobs of a submission, in its order, without those of an earlier one that were deleted since."""
    if not submission.replayed:
        return just_submitted(submission)
    with context.database.read() as connection:
        return sorted(
            find_jobs(connection, caller().user_id, list(submission.job_ids)), key=lambda row: row.submission_index
        )


def read_streams(settings: Settings, body: BinaryIO) -> list[BinaryIO]:
    """Return the scans of this request, from a form or the raw body, without ever holding more than allowed.

    Args:
        settings: how much that is.
        body: takes a raw body.

    Raises:
        BadUpload: a form that cannot be read, or has no boundary.
        ScanTooLarge: the body is larger than any upload may be.
        Invalid: a field that is not known.
    """
    try:
        if request.mimetype in FORMS:
            # The sum of many scans may be large; each is bounded by itself before it is stored.
            request.max_content_length = settings.max_upload_bytes * 4 + MIB
            return read_form()
        request.max_content_length = settings.max_upload_bytes
        return read_body(body)
    except RequestEntityTooLarge as error:
        limit = settings.max_upload_bytes
        raise ScanTooLarge(f"A scan may have at most {limit:,} bytes.", limit_bytes=limit) from error


def read_body(body: BinaryIO) -> list[BinaryIO]:
    """Return the raw body as the one file it is, or none."""
    size_bytes = 0
    while piece := request.stream.read(CHUNK_BYTES):
        size_bytes += body.write(piece)
    if request.content_length is not None and size_bytes < request.content_length:
        raise BadUpload("The upload is cut short; please send it again.", code="bad_upload")
    body.seek(0)
    return [body] if size_bytes else []


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
