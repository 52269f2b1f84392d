"""One log line per request, with an id that the answer carries too; no names, queries or bodies."""

import logging
import time
from secrets import token_hex

from flask import Flask, Response, g, request

logger = logging.getLogger("web.access")

QUIET = {"health.livez", "health.readyz", "health.metrics", "static"}


def init_app(app: Flask) -> None:
    """Number every request and log it when it is answered."""

    @app.before_request
    def begin() -> None:
        g.request_id = token_hex(8)
        g.started_s = time.monotonic()

    @app.after_request
    def log(response: Response) -> Response:
        response.headers["X-Request-Id"] = request_id()
        if request.endpoint not in QUIET:
            took_ms = (time.monotonic() - g.get("started_s", time.monotonic())) * 1000
            # The rule, not the path: what a caller made up stays out of the log.
            rule = request.url_rule.rule if request.url_rule else "-"
            logger.info(
                "request_id=%s method=%s rule=%s status=%d took_ms=%.1f",
                request_id(), request.method, rule, response.status_code, took_ms,
            )  # fmt: skip
        return response


def request_id() -> str:
    """Return this request's id."""
    return str(g.get("request_id", "-"))
