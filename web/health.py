"""Is it well? For people, balancers and monitoring; no login, no personal data."""

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import select, text

from shared.errors import InfrastructureError
from web.context import current
from web.metrics import render_metrics

blueprint = Blueprint("health", __name__)


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
    return jsonify({"status": "unavailable" if failed else "ok", **status}), 503 if failed else 200


@blueprint.route("/metrics")
def metrics() -> Response:
    """Answer with numbers for Prometheus."""
    return Response(render_metrics(current().database), content_type=CONTENT_TYPE_LATEST)


def database_answers() -> None:
    """Raise DatabaseUnavailable unless the database answers."""
    with current().database.read() as connection:
        connection.execute(select(text("1")))
