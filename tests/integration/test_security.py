"""What holds for every address and every line of code, walked over all of them; the rest is in `docs/security.md`."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import Database
from shared.identifiers import new_id
from web.context import Context

ROOT = Path(__file__).parents[2]
# What strangers may see, and what answers them with nothing but how to log in.
OPEN = {"pages.home", "pages.model", "pages.model_plot", "auth.login"}
HEALTH = {"health.livez", "health.readyz", "health.metrics"}


def addresses(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and endpoint of everything that is served, with made-up ids."""
    values = {"job_id": new_id(), "user_id": new_id(), "token_id": new_id(), "name": "cancel"}
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static":
            continue
        filled = {name: values.get(name, "x") for name in rule.arguments}
        with app.test_request_context():
            path = app.url_map.bind("localhost").build(rule.endpoint, filled)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, path, rule.endpoint


def test_a_stranger_gets_nothing_but_the_way_in(app: Flask, client: FlaskClient) -> None:
    reached = set()
    for method, path, endpoint in addresses(app):
        answer = client.open(path, method=method)
        if method == "POST" and not path.startswith("/api/"):
            assert answer.status_code == 400, (path, "a form without its token")
        elif path.startswith(("/api/v1/jobs", "/api/v1/me")):
            assert answer.status_code == 401, (method, path)
        elif answer.status_code == 302:
            assert answer.location.startswith("/login"), path
        else:
            reached.add(endpoint)

    assert {endpoint for endpoint in reached if "api-docs" not in endpoint} == OPEN | HEALTH


def test_every_answer_of_every_address_carries_the_headers(app: Flask, client: FlaskClient, ann: Any) -> None:
    for method, path, _ in addresses(app):
        for headers in ({}, ann):
            answer = client.open(path, method=method, headers=headers)
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
            assert "unsafe" not in answer.headers["Content-Security-Policy"], path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert answer.headers["X-Frame-Options"] == "DENY", path
            assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer"), path
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", path
            assert "Server" not in answer.headers or "Werkzeug" not in answer.headers["Server"], path


def test_behind_tls_browsers_are_told_to_stay_there(settings: Any, context: Context) -> None:
    from dataclasses import replace

    from web import create_app

    app = create_app(replace(settings, cookie_secure=True))
    answer = app.test_client().get("/login", base_url="https://localhost")

    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))


def test_a_fault_of_ours_tells_nobody_how(
    app: Flask, bob: Any, ann: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [path for method, path, endpoint in addresses(app) if method == "GET"]

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("ZZSECRET at /srv/hepaq/secret.py")

    monkeypatch.setattr(Database, "read", fail)
    failed = 0
    for path in paths:
        for answer in (bob.get(path), bob.client.get(path, headers=ann)):
            assert "ZZSECRET" not in answer.text, path
            assert "Traceback" not in answer.text, path
            assert "/srv" not in answer.text, path
            failed += answer.status_code == 500
    assert failed > 10


def sources() -> Iterator[Path]:
    for folder in ("web", "shared", "worker", "models"):
        yield from (ROOT / folder).rglob("*.py")
    yield ROOT / "run.py"


def test_no_sql_is_put_together_from_text() -> None:
    """Values reach SQL as bound parameters alone; only settings of a connection are written out."""
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            made = isinstance(node.args[0], (ast.JoinedStr, ast.BinOp)) or (
                isinstance(node.args[0], ast.Call) and getattr(node.args[0].func, "attr", "") == "format"
            )
            if name in ("text", "execute", "exec_driver_sql", "executescript") and made:
                found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")

    assert [line for line in found if "PRAGMA" not in line] == []


def test_nothing_runs_what_a_stranger_wrote() -> None:
    forbidden = re.compile(r"\b(pickle|marshal|shelve|yaml\.load|(?<!\.)eval\(|exec\(|os\.system|shell=True)")

    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sources()
        for line in path.read_text().splitlines()
        if forbidden.search(line.split("#")[0]) and '"""' not in line
    ]

    assert [line for line in lines if "models/checkpoint.py" not in line and "pickle would" not in line] == []


def test_no_secret_lies_in_the_repository() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    secret = re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|hepaq_[A-Za-z0-9_-]{43}|gh[pousr]_[A-Za-z0-9]{36}"
        r"|^(SECRET_KEY|ADMIN_PASSWORD|MYSQL_PASSWORD|REDIS_PASSWORD)=\S",
        re.M,
    )

    found = [
        name for name in tracked
        if (ROOT / name).is_file() and (ROOT / name).suffix not in {".png", ".jpg", ".onnx", ".ico"}
        and secret.search((ROOT / name).read_text(errors="ignore"))
    ]  # fmt: skip

    assert tracked
    assert found == []


def test_the_database_server_cannot_ask_for_our_files(mysql_url: str) -> None:
    database = Database(mysql_url)
    try:
        with database.transaction() as connection:
            connection.execute(text("CREATE TABLE loot (line TEXT)"))
            with pytest.raises(DBAPIError):
                connection.execute(text("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE loot"))
    finally:
        database.close()


def test_other_hosts_are_not_answered_to(settings: Any, context: Context) -> None:
    from dataclasses import replace

    from web import create_app

    client = create_app(replace(settings, trusted_hosts="hepaq.example")).test_client()

    assert client.get("/login", base_url="http://hepaq.example").status_code == 200
    assert client.get("/login", base_url="http://evil.example").status_code == 400


def test_no_line_of_a_log_can_be_forged(
    bob: Any, caplog: pytest.LogCaptureFixture, make_user: Callable[..., str]
) -> None:
    bob.get("/jobs/x%0d%0a2026-01-01 INFO forged")
    bob.get("/nowhere%0aforged", headers={"User-Agent": "forged"})

    assert "forged" not in caplog.text
