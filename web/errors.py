"""Every error as one answer: a problem document (RFC 9457) for programs, a page for people."""

import logging
from http import HTTPStatus

from flask import Flask, Response, jsonify, render_template, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from shared import errors
from web.request_log import request_id

logger = logging.getLogger(__name__)

STATUS: dict[type[errors.ServiceError], int] = {
    errors.ServiceError: 500,
    errors.ScanRefused: 422,
    errors.UnsupportedType: 415,
    errors.ScanTooLarge: 413,
    errors.UnreadableScan: 422,
    errors.BadUpload: 400,
    errors.RequestRefused: 400,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooMany: 429,
    errors.Invalid: 400,
    errors.InfrastructureError: 503,
    errors.DatabaseUnavailable: 503,
    errors.StorageUnavailable: 503,
    errors.StorageFull: 507,
}
RETRY_AFTER_S = 5
SENTENCES = {
    400: ("invalid_request", "The request cannot be understood."),
    401: ("not_authenticated", "Please log in."),
    403: ("not_allowed", "You may not do this."),
    404: ("not_found", "There is no such page."),
    405: ("method_not_allowed", "This address does not take that method."),
    413: ("too_large", "The request is larger than allowed."),
    415: ("unsupported_type", "This content type is not taken here."),
    422: ("invalid_request", "The request has a value that is not accepted."),
    429: ("too_many_requests", "Too many requests; please wait a moment."),
}


def init_app(app: Flask) -> None:
    """Answer every error our way."""
    app.register_error_handler(errors.ServiceError, answer_service_error)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(Exception, answer_fault)


def answer_service_error(error: errors.ServiceError) -> Response:
    """Answer one of our own errors."""
    extra: dict[str, object] = {}
    if isinstance(error, errors.ScanRefused) and error.index is not None:
        extra["errors"] = [{"index": error.index, "code": error.code, "detail": error.detail}]
    response = answer(STATUS[type(error)], error.code, error.detail, extra=extra)
    if isinstance(error, errors.TooMany):
        response.headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, errors.InfrastructureError):
        logger.warning("request_id=%s unavailable code=%s", request_id(), error.code)
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, errors.NotAuthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def answer_http_error(error: HTTPException) -> ResponseReturnValue:
    """Answer what Flask and its extensions refuse."""
    status = error.code or 500
    if error.response is not None and status < 400:
        return error.response  # a redirect
    code, detail = SENTENCES.get(status, ("http_error", HTTPStatus(status).phrase + "."))
    if isinstance(error, CSRFError):
        code, detail = "csrf", "The form is too old or came from elsewhere; please reload the page and try again."
    extra = {"errors": error.data["messages"]} if hasattr(error, "data") and "messages" in error.data else None
    response = answer(status, code, detail, extra=extra)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers.setdefault(name, value)
    return response


def answer_fault(error: Exception) -> Response:
    """Answer a fault of ours: the traceback goes to the log, never to the caller."""
    if isinstance(error, BlockingIOError):
        return answer(408, "too_slow", "The upload stopped in the midst of it; please send it again.")
    logger.error("request_id=%s fault", request_id(), exc_info=error)
    return answer(500, "internal", "Something went wrong on our side; please try again.")


def answer(status: int, code: str, detail: str, *, extra: dict[str, object] | None = None) -> Response:
    """Return the answer in the form the caller understands."""
    title = HTTPStatus(status).phrase
    if request_ctx.url_adapter is None:
        # An address that is not ours: no page can be drawn, for its links could lead nowhere.
        return Response(f"{title}. {detail}\n", status, mimetype="text/plain")
    if not request.path.startswith("/api/"):
        page = render_template(
            "error.html", status=status, title=title, detail=detail, code=code, request_id=request_id()
        )
        return Response(page, status)
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    response = jsonify(problem | {"request_id": request_id()} | (extra or {}))
    response.status_code = status
    response.content_type = "application/problem+json"
    return response
