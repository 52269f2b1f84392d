"""Uploading: one request a file from the page's script, one form with all of them without it."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from shared.errors import ServiceError
from shared.jobs.submit import Submission
from shared.settings import MIB
from web.context import current
from web.errors import STATUS
from web.intake import receive
from web.pages.advice import ADVICE, advise
from web.pages.blueprint import blueprint

SAMPLES = Path(__file__).parents[1] / "static" / "samples"
SAMPLE_LABEL = "Sample scans"
UPLOAD = "pages.upload"


@blueprint.url_value_preprocessor
def allow_scans(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Let the upload form carry scans. This early, for the check of the form's token reads the body."""
    if endpoint == UPLOAD:
        request.max_content_length = current().settings.max_upload_bytes * 4 + MIB


@blueprint.route("/upload", methods=["GET", "POST"])
@login_required
def upload() -> ResponseReturnValue:
    """Show the upload page; take a plain form's files."""
    if request.method == "GET":
        return page()
    files = [cast(BinaryIO, file.stream) for file in request.files.getlist("scan") if file.filename]
    try:
        submission = receive(current(), files, user_id=current_user.id, label=request.form.get("label"))
    except ServiceError as refusal:
        return page(refusal)
    return to_jobs(submission)


@blueprint.post("/upload/samples")
@login_required
def upload_samples() -> ResponseReturnValue:
    """Submit the shipped phantoms, as if they had been uploaded."""
    with ExitStack() as opened:
        files = [cast(BinaryIO, opened.enter_context(path.open("rb"))) for path in sorted(SAMPLES.glob("*.png"))]
        submission = receive(current(), files, user_id=current_user.id, label=SAMPLE_LABEL)
    return to_jobs(submission)


def to_jobs(submission: Submission) -> ResponseReturnValue:
    """Go where the new jobs are to be seen."""
    if len(submission.job_ids) == 1:
        return redirect(url_for("pages.job", job_id=submission.job_ids[0]))
    flash(f"{len(submission.job_ids)} scans are in the queue.")
    return redirect(url_for("pages.jobs"))


def page(refusal: ServiceError | None = None) -> ResponseReturnValue:
    """Render the upload page, with the refusal of a plain form if there was one."""
    settings = current().settings
    text = render_template(
        "upload.html",
        advice=ADVICE,
        max_mib=settings.max_upload_bytes // MIB,
        max_upload_bytes=settings.max_upload_bytes,
        refusal=refusal,
        refusal_advice=advise(refusal.code) if refusal else "",
    )
    return text, STATUS[type(refusal)] if refusal else 200
