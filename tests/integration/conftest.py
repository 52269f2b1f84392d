"""The web application on a real database and storage, and ways to be somebody."""

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from flask import Flask
from flask.testing import FlaskClient

from models.phantom import draw_phantom
from shared.migrate import migrate
from shared.settings import Settings, load_settings
from web import create_app
from web.accounts import create_user
from web.context import Context
from web.tokens import create_token

PASSWORD = "a long test password"
SETTINGS = {"REDIS_URL": "unix:///nowhere/redis.sock", "MAX_UPLOAD_BYTES": "300000"}


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of an application of its own."""
    return load_settings(SETTINGS | {"DATA_DIR": str(tmp_path), "DATABASE_URL": database_url})


@pytest.fixture
def app(settings: Settings) -> Flask:
    """The web application; nobody listens to its doorbell."""
    migrate(settings.effective_database_url)
    app = create_app(settings)
    yield app
    app.extensions["hepaq"].database.close()


@pytest.fixture
def context(app: Flask) -> Context:
    """What the application holds."""
    return app.extensions["hepaq"]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser or program without identity."""
    return app.test_client()


@pytest.fixture
def make_token(context: Context) -> Callable[..., dict[str, str]]:
    """Make users with tokens: returns the header to send."""

    def make(name: str, scope: str = "write") -> dict[str, str]:
        def work(connection) -> str:
            user_id = create_user(connection, name, PASSWORD)
            return create_token(connection, user_id, name="test", scope=scope)

        return {"Authorization": f"Bearer {context.database.run(work)}"}

    return make


@pytest.fixture
def ann(make_token: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The header of a user called ann."""
    return make_token("ann")


@pytest.fixture(scope="session")
def scan_png() -> bytes:
    """A small phantom as PNG."""
    return cv2.imencode(".png", draw_phantom(1, side=128).pixels)[1].tobytes()
