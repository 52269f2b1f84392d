"""The web application on a real database and storage, and ways to be somebody."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models.phantom import draw_phantom
from models.segmenter import Segmenter
from shared.migrate import migrate
from shared.settings import Settings, load_settings
from web import create_app
from web.accounts import create_user
from web.context import Context
from web.tokens import create_token
from worker.runtime import Runtime
from worker.sandbox import Sandbox
from worker.tasks import work_on_due

MODEL_DIR = Path(__file__).parents[2] / "models"
PASSWORD = "a long test password"
SETTINGS = {"REDIS_URL": "unix:///nowhere/redis.sock", "MAX_UPLOAD_BYTES": "300000"}


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    """The shipped network."""
    return Segmenter(MODEL_DIR)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """The process that decodes."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def breakable() -> Iterator[Sandbox]:
    """A decoder that scans can break, with little patience."""
    sandbox = Sandbox(module="tests.integration.broken_decoder", timeout_s=6)
    yield sandbox
    sandbox.close()


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


@dataclass
class Browser:
    """A person at a browser: keeps cookies, and sends the form token of the page it looked at last."""

    client: FlaskClient
    token: str = ""
    address: dict[str, str] = field(default_factory=lambda: {"REMOTE_ADDR": "192.0.2.1"})

    def get(self, path: str, **options: Any) -> TestResponse:
        """Look at a page."""
        answer = self.client.get(path, environ_overrides=self.address, **options)
        if found := re.search(r'name="csrf-token" content="([^"]+)"', answer.text if answer.is_json is False else ""):
            self.token = found[1]
        return answer

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Send a form."""
        if not self.token:
            self.get("/login")
        fields = {"csrf_token": self.token} | (data or {})
        return self.client.post(path, data=fields, environ_overrides=self.address, **options)

    def log_in(self, name: str, password: str = PASSWORD, **fields: str) -> TestResponse:
        """Log in from a fresh login page."""
        self.get("/login")
        answer = self.post("/login", {"name": name, "password": password, **fields})
        # A login begins a new session, and with it the form tokens of the old one end.
        self.get("/account")
        return answer

    def is_logged_in(self) -> bool:
        """Tell whether the account page is shown."""
        return self.get("/account").status_code == 200


@pytest.fixture
def new_browser(app: Flask) -> Callable[[], Browser]:
    """Make browsers, each with cookies of its own."""
    return lambda: Browser(app.test_client())


@pytest.fixture
def make_user(context: Context) -> Callable[..., str]:
    """Make users; returns the id."""

    def make(name: str, password: str = PASSWORD, **options: bool) -> str:
        return context.database.run(lambda c: create_user(c, name, password, **options))

    return make


@pytest.fixture
def bob(new_browser: Callable[[], Browser], make_user: Callable[..., str]) -> Browser:
    """A user called bob, logged in."""
    make_user("bob")
    browser = new_browser()
    browser.log_in("bob")
    return browser


@pytest.fixture
def run_workers(context: Context, segmenter: Segmenter, sandbox: Sandbox) -> Callable[[], None]:
    """Work off all due jobs, as a worker process does."""
    runtime = Runtime("host:1:a", load_settings({}), context.database, context.storage, segmenter, sandbox)

    def run() -> None:
        while work_on_due(runtime):
            pass

    return run
