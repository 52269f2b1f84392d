"""One real system, over HTTP, for hostile requests; and an application alone for those that come by the thousand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared.migrate import migrate
from shared.settings import load_settings
from tests.conftest import start_system, stop_system
from tests.hostile.target import MAX_UPLOAD_BYTES, Target
from web import create_app
from web.accounts import create_user
from web.tokens import create_token


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A system on its embedded default, and its admin's token."""
    settings = {"MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES), "WORKERS": "1", "KEEPER_TICK_S": "0.5"}
    system = start_system(tmp_path_factory.mktemp("hostile"), **settings)
    yield Target(system, {"Authorization": f"Bearer {system.token()}"})
    stop_system(system)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The application."""
    environment = {
        "DATA_DIR": str(tmp_path), "REDIS_URL": "unix:///nowhere/redis.sock",
        "MAX_SCANS_PER_MIN": "0", "MAX_UPLOAD_BYTES": "300000",
    }  # fmt: skip
    settings = load_settings(environment)
    migrate(settings.effective_database_url)
    app = create_app(settings)
    yield app
    app.extensions["hepaq"].database.close()


@pytest.fixture
def headers(app: Flask) -> dict[str, str]:
    """A user's token."""
    database = app.extensions["hepaq"].database
    token = database.run(lambda c: create_token(c, create_user(c, "ann", "a long test password"), name="fuzz"))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def client(app: Flask, headers: dict[str, str]) -> FlaskClient:
    """A program with that token on every request."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = headers["Authorization"]
    return client
