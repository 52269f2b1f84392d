"""The API for programs, `/api/v1`; its OpenAPI document is made from this code."""

from typing import Any

from flask import Flask
from flask.typing import ResponseReturnValue
from flask_smorest import Api
from werkzeug.exceptions import HTTPException

from shared.intended_use import INTENDED_USE
from shared.version import VERSION
from web.api import artifacts, downloads, job_actions, job_reads, job_submit, me
from web.api.schemas import ProblemSchema
from web.csrf import csrf
from web.errors import answer_http_error

PREFIX = "/api/v1"


class ProblemApi(Api):
    """flask-smorest, with errors answered like all others of this site."""

    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> ResponseReturnValue:
        """Answer what flask-smorest refuses."""
        return answer_http_error(error)


def register_api(app: Flask) -> None:
    """Hang the API on the application."""
    app.config.update(
        API_TITLE="hepaq",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=PREFIX,
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": INTENDED_USE},
            "security": [{"token": []}],
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        },
    )
    api = ProblemApi(app)
    modules: tuple[Any, ...] = (job_submit, job_reads, job_actions, artifacts, downloads, me)
    for module in modules:
        # Programs carry a token; requests that come with a login's cookie are checked in web.api.identity.
        csrf.exempt(module.blueprint)
        api.register_blueprint(module.blueprint, url_prefix=PREFIX)
