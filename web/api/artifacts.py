"""The pictures of a result, and the scan as it is stored."""

import hashlib
import io
from collections.abc import Callable
from typing import Any, cast

from flask import Response, request
from flask.typing import ResponseReturnValue
from flask_smorest import Blueprint

from shared.audit import Act
from shared.errors import NotFound
from shared.storage import CorruptObject, MissingObject
from web.api.identity import View, caller, requires_caller
from web.api.schemas import ProblemSchema
from web.audit_trail import note_look
from web.context import current
from web.overlay import draw_overlay
from web.queries import find_artifact, find_job, find_slice

blueprint = Blueprint("artifacts", __name__, description="Pictures")

# Content never changes under its digest, but only its owner may see it.
CACHE = "private, max-age=86400"
NOT_INLINE = "default-src 'none'; sandbox"
ENDINGS = {"nifti": "nii.gz", "dicom_series": "zip"}


def picture_view(file_name: str, media_type: str) -> Callable[[View], View]:
    """Make a function the view, documented and for known callers alone, of one of a job's pictures."""
    content = {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}

    def decorate(view: View) -> View:
        view = requires_caller(view)
        view = blueprint.alt_response(404, schema=ProblemSchema, description="No such picture, or not yet.")(view)
        view = blueprint.doc(responses={200: {"description": "The picture.", **content}})(view)
        return cast(View, blueprint.route(f"/jobs/<job_id>/{file_name}", methods=["GET"])(view))

    return decorate


@picture_view("mask.png", "image/png")
def mask(job_id: str) -> ResponseReturnValue:
    """The mask, of the scan's own size: 0 background, 128 liver, 255 tumor."""
    return stored("mask", job_id)


@picture_view("preview.jpg", "image/jpeg")
def preview(job_id: str) -> ResponseReturnValue:
    """The scan as a picture to look at, at most 1024 px."""
    return stored("preview", job_id)


@picture_view("thumbnail.jpg", "image/jpeg")
def thumbnail(job_id: str) -> ResponseReturnValue:
    """A small picture with tumors filled in, for lists."""
    return stored("thumbnail", job_id)


@picture_view("probability.png", "image/png")
def probability(job_id: str) -> ResponseReturnValue:
    """The tumor probability on the network's grid, 0 to 255."""
    return stored("probability", job_id)


@picture_view("uncertainty.png", "image/png")
def uncertainty(job_id: str) -> ResponseReturnValue:
    """How unsure the network is of each position on its grid, 0 to 255: the entropy of background, liver and tumor."""
    return stored("uncertainty", job_id)


@picture_view("mask.nii.gz", "application/gzip")
def mask_nifti(job_id: str) -> ResponseReturnValue:
    """The mask of a volume on the file's own grid, as NIfTI: 0 background, 128 liver, 255 tumor."""
    return stored("mask_nifti", job_id)


@picture_view("slices/<number>/preview.jpg", "image/jpeg")
def slice_preview(job_id: str, number: str) -> ResponseReturnValue:
    """A slice of a volume to look at, counted from 1, from inferior to superior; at most 512 px."""
    return picture_of_slice(job_id, number, "preview", "image/jpeg")


@picture_view("slices/<number>/mask.png", "image/png")
def slice_mask(job_id: str, number: str) -> ResponseReturnValue:
    """The mask of a slice of a volume, turned as its preview, in its own size: 0 background, 128 liver, 255 tumor."""
    return picture_of_slice(job_id, number, "mask", "image/png")


@picture_view("overlay.png", "image/png")
def overlay(job_id: str) -> ResponseReturnValue:
    """The scan, or the slice of a volume that is shown, with liver, tumors and lesion boxes; at most 1024 px."""
    user_id = caller().user_id
    with current().database.read() as connection:
        row = find_job(connection, user_id, job_id)
        base = find_artifact(connection, user_id, job_id, "preview")
        marks = find_artifact(connection, user_id, job_id, "mask")
    note_look(Act.DOWNLOAD, user_id=user_id, job_id=row.id)
    drawn = draw_overlay(base.content, marks.content, boxes_shown(row.report))
    return picture(drawn, "image/png", f"overlay-{marks.content_sha256}")


def boxes_shown(report: dict[str, Any]) -> list[list[int]]:
    """Return the boxes of the lesions that the preview shows."""
    if "shown_slice" not in report:
        return [lesion["bbox"] for lesion in report["lesions"]]
    shown: int = report["shown_slice"]
    return [
        lesion["bbox_by_slice"][shown - lesion["first_slice"]]
        for lesion in report["lesions"]
        if lesion["first_slice"] <= shown <= lesion["last_slice"]
    ]


@picture_view("original", "application/octet-stream")
def original(job_id: str) -> ResponseReturnValue:
    """The scan as it is stored, to save; never shown inside a page, for it is what a stranger sent."""
    context = current()
    with context.database.read() as connection:
        row = find_job(connection, caller().user_id, job_id)
    try:
        content = context.storage.get(row.content_sha256)
    except (MissingObject, CorruptObject) as error:
        raise NotFound("The stored scan is gone or damaged.", code="input_missing") from error
    note_look(Act.DOWNLOAD, user_id=caller().user_id, job_id=row.id)
    response = Response(io.BytesIO(content), mimetype="application/octet-stream", direct_passthrough=True)
    response.content_length = len(content)
    response.headers["Content-Disposition"] = f'attachment; filename="{row.id}.{ENDINGS.get(row.format, row.format)}"'
    response.headers["Content-Security-Policy"] = NOT_INLINE
    return response


def stored(kind: str, job_id: str) -> ResponseReturnValue:
    """Answer with a stored picture."""
    with current().database.read() as connection:
        row = find_artifact(connection, caller().user_id, job_id, kind)
    # A list shows many thumbnails; what it shows is no look at one job.
    if kind != "thumbnail":
        note_look(Act.VIEW, user_id=caller().user_id, job_id=job_id)
    return picture(row.content, row.media_type, row.content_sha256)


def picture_of_slice(job_id: str, number: str, column: str, media_type: str) -> ResponseReturnValue:
    """Answer with a picture of one slice of a volume."""
    wanted = int(number) if number.isascii() and number.isdecimal() else 0
    with current().database.read() as connection:
        row = find_slice(connection, caller().user_id, job_id, wanted)
    note_look(Act.VIEW, user_id=caller().user_id, job_id=job_id)
    content: bytes = getattr(row, column)
    return picture(content, media_type, hashlib.sha256(content).hexdigest())


def picture(content: bytes, media_type: str, etag: str) -> ResponseReturnValue:
    """Answer with a picture, or with 304 if the caller has it."""
    response = Response(content, mimetype=media_type)
    response.set_etag(etag)
    response.headers["Cache-Control"] = CACHE
    return response.make_conditional(request)
