"""Is it well? For people, balancers and monitoring; no login, no personal data."""

import logging

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import select, text

from shared.errors import InfrastructureError
from shared.presence import live_processes
from web.context import current
from web.metrics import oldest_queued_s, render_metrics

logger = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)
# So long a job may wait with no worker alive before the log says so.
PATIENCE_S = 60


@blueprint.route("/livez")
def livez() -> Response:
    """Answer while this process runs, whatever else is down."""
    return jsonify({"status": "ok"})


@blueprint.route("/readyz")
def readyz() -> tuple[Response, int]:
    """Answer 200 if uploads can be taken: database and storage answer. Redis may be away; jobs then wait."""
    checks = {"database": database_answers, "storage": current().storage.check}
    failed = {}
    for name, check in checks.items():
        try:
            check()
        except InfrastructureError as error:
            failed[name] = error.detail
    status = {name: failed.get(name, "ok") for name in checks}
    if "database" not in failed:
        status["workers"] = workers_alive()
    return jsonify({"status": "unavailable" if failed else "ok", **status}), 503 if failed else 200


def workers_alive() -> str:
    """Return how many worker processes live; without any, uploads are taken all the same, and somebody should know."""
    with current().database.read() as connection:
        alive, waited_s = live_processes(connection), oldest_queued_s(connection)
    if not alive and waited_s > PATIENCE_S:
        logger.warning("nobody claims oldest_queued_s=%d", waited_s)
    return f"{alive} alive" if alive else "none alive; jobs wait"


@blueprint.route("/metrics")
def metrics() -> Response:
    """Answer with numbers for Prometheus."""
    return Response(render_metrics(current().database, current().ringer), content_type=CONTENT_TYPE_LATEST)


def database_answers() -> None:
    """Raise DatabaseUnavailable unless the database answers."""
    with current().database.read() as connection:
        connection.execute(select(text("1")))
