"""Results to take away: JSON of one job, CSV of one row a lesion."""

import csv
import io

from flask import Response, jsonify
from flask_smorest import Blueprint
from sqlalchemy import Row

from shared.audit import Act
from shared.errors import NotFound
from shared.intended_use import INTENDED_USE
from web.api.documents import iso, result_whole
from web.api.identity import caller, requires_caller
from web.api.schemas import ProblemSchema, ResultSchema
from web.audit_trail import note_look
from web.context import current
from web.queries import find_job

blueprint = Blueprint("downloads", __name__, description="Results to take away")

JOB_COLUMNS = (
    "tumor_detected", "confidence", "stage", "stage_rule", "affected_percent", "lesion_count", "liver_area_px",
    "tumor_area_px", "liver_area_mm2", "tumor_area_mm2", "scope", "slice_count", "liver_volume_ml", "tumor_volume_ml",
)  # fmt: skip
LESION_COLUMNS = (
    "area_px", "area_mm2", "longest_diameter_px", "short_axis_px", "longest_diameter_mm", "short_axis_mm", "confidence",
    "slice", "first_slice", "last_slice", "volume_ml",
)  # fmt: skip
BOX_COLUMNS = ("x_px", "y_px", "width_px", "height_px")
# A cell that begins so is a formula to a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@blueprint.route("/jobs/<job_id>/result.json", methods=["GET"])
@blueprint.response(200, ResultSchema)
@blueprint.alt_response(404, schema=ProblemSchema, description="No such result, or not yet.")
@requires_caller
def result_json(job_id: str) -> Response:
    """The result as a file."""
    row = own_result(job_id)
    response = jsonify(ResultSchema().dump(result_whole(row)))
    response.headers["Content-Disposition"] = f'attachment; filename="{row.id}.json"'
    return response


@blueprint.route("/jobs/<job_id>/result.csv", methods=["GET"])
@blueprint.doc(responses={200: {"description": "One row a lesion.", "content": {"text/csv": {}}}})
@blueprint.alt_response(404, schema=ProblemSchema, description="No such result, or not yet.")
@requires_caller
def result_csv(job_id: str) -> Response:
    """The result as a table: one row a lesion, one without lesion columns where there is none."""
    row = own_result(job_id)
    response = Response(table(row), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{row.id}.csv"'
    return response


def own_result(job_id: str) -> Row:
    """Return a job of the caller that has a result, and note that it is taken away.

    Raises:
        NotFound: no such job, or no result.
    """
    with current().database.read() as connection:
        row = find_job(connection, caller().user_id, job_id)
    if row.tumor_detected is None:
        raise NotFound("This job has no result.", code="no_result")
    note_look(Act.DOWNLOAD, user_id=caller().user_id, job_id=row.id)
    return row


def table(row: Row) -> str:
    """Return a result as CSV; the first line is a comment with the intended use."""
    result = result_whole(row) or {}
    lesion_names = [f"lesion_{name}" for name in ("id", *BOX_COLUMNS, *LESION_COLUMNS)]
    out = io.StringIO()
    out.write(f"# {INTENDED_USE}\n")
    writer = csv.writer(out)
    writer.writerow(["job_id", "label", "finished_at", *JOB_COLUMNS, "model_sha256", *lesion_names])
    start = [row.id, harmless(row.label or ""), iso(row.finished_ms), *(result[name] for name in JOB_COLUMNS)]
    start.append(row.model_sha256)
    for lesion in result["lesions"] or [None]:
        cells = [lesion["id"], *lesion["bbox"], *(lesion.get(name) for name in LESION_COLUMNS)] if lesion else []
        writer.writerow([*start, *cells])
    return out.getvalue()


def harmless(text: str) -> str:
    """Return a user's text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
