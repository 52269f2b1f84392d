"""Logging in and out, sessions, the account and admin pages."""

import re
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from shared.tables import users
from web.auth import safe_target
from web.context import Context

PASSWORD = "a long test password"
OTHER = "quite another one"
Browsers = Callable[[], Any]
Users = Callable[..., str]


def later(seconds: float) -> Any:
    """Let the sessions' clock say that so much time has passed."""
    then = time.time() + seconds
    return patch("web.sessions.time.time", lambda: then)


def test_a_right_password_lets_in(new_browser: Browsers, make_user: Users) -> None:
    make_user("ann")
    browser = new_browser()

    answer = browser.log_in("ANN")

    assert (answer.status_code, answer.location) == (302, "/")
    assert browser.is_logged_in()


def test_unknown_name_and_wrong_password_get_the_same_answer(new_browser: Browsers, make_user: Users) -> None:
    make_user("ann")
    browser = new_browser()

    answers = [browser.log_in(name, "a wrong password") for name in ("ann", "eve")]

    assert [answer.status_code for answer in answers] == [401, 401]
    texts = [answer.text.replace("ann", "NAME").replace("eve", "NAME") for answer in answers]
    assert without_tokens(texts[0]) == without_tokens(texts[1])
    assert not browser.is_logged_in()


def without_tokens(page: str) -> str:
    """Return a page without what differs at every request."""
    return re.sub(r'(content|value)="[\w.-]{60,}"', "", page)


def test_the_sixth_wrong_password_in_a_minute_is_not_looked_at(new_browser: Browsers, make_user: Users) -> None:
    make_user("ann")
    browser = new_browser()
    for _ in range(5):
        browser.log_in("ann", "a wrong password")

    answer = browser.log_in("ann", PASSWORD)

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert not browser.is_logged_in()
    elsewhere = new_browser()
    elsewhere.address = {"REMOTE_ADDR": "192.0.2.77"}
    assert elsewhere.log_in("ann").status_code == 302


def test_right_passwords_are_never_counted(new_browser: Browsers, make_user: Users) -> None:
    make_user("ann")

    assert [new_browser().log_in("ann").status_code for _ in range(8)] == [302] * 8


def test_an_overlong_password_is_refused_unhashed(new_browser: Browsers) -> None:
    assert new_browser().log_in("ann", "x" * 2000).status_code == 400


def test_a_large_login_form_is_refused(new_browser: Browsers) -> None:
    assert new_browser().log_in("ann", "x" * 2_000_000).status_code == 413


def test_a_planted_session_does_not_survive_the_login(new_browser: Browsers, make_user: Users) -> None:
    make_user("ann")
    browser = new_browser()
    with browser.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    browser.get("/login")
    before = browser.client.get_cookie("session").value

    browser.log_in("ann")

    assert browser.client.get_cookie("session").value != before
    with browser.client.session_transaction() as session:
        assert "planted" not in session


def test_a_changed_cookie_is_worth_nothing(bob: Any) -> None:
    cookie = bob.client.get_cookie("session").value

    bob.client.set_cookie("session", cookie[:-3] + ("aaa" if cookie[-3:] != "aaa" else "bbb"))

    assert not bob.is_logged_in()


def test_a_copied_cookie_dies_with_the_logout(bob: Any, new_browser: Browsers) -> None:
    thief = new_browser()
    thief.client.set_cookie("session", bob.client.get_cookie("session").value)
    assert thief.is_logged_in()

    assert bob.post("/logout").status_code == 302

    assert not bob.is_logged_in()
    assert not thief.is_logged_in()
    assert thief.get("/api/v1/jobs").status_code == 401


def test_logging_out_takes_a_form(bob: Any) -> None:
    assert bob.get("/logout").status_code == 405
    assert bob.is_logged_in()


def test_an_idle_session_ends(bob: Any) -> None:
    with later(61 * 60):
        assert not bob.is_logged_in()


def test_a_used_session_goes_on_but_not_for_ever(bob: Any) -> None:
    for hour in range(1, 25):
        with later(hour * 1800):
            if hour <= 24 and not bob.is_logged_in():
                break
    assert 23 <= hour <= 24

    with later(12 * 3600 + 60):
        assert not bob.is_logged_in()


def test_watching_jobs_does_not_keep_a_session_alive(bob: Any) -> None:
    for minute in range(5, 60, 5):
        with later(minute * 60):
            assert bob.get("/api/v1/jobs").status_code == 200

    with later(61 * 60):
        assert bob.get("/api/v1/jobs").status_code == 401


def test_a_disabled_user_is_out_at_once(bob: Any, context: Context) -> None:
    context.database.run(lambda c: c.execute(update(users).where(users.c.name == "bob").values(is_active=False)))

    assert not bob.is_logged_in()


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\\evil.example",
        "/\t/evil.example",
        "",
        "jobs",
    ],
)
def test_a_login_leads_nowhere_else(app: Flask, wanted: str) -> None:
    with app.test_request_context():
        assert safe_target(wanted) == "/"


def test_a_login_leads_back_to_where_one_wanted_to_go(new_browser: Browsers, make_user: Users) -> None:
    make_user("ann")
    browser = new_browser()

    sent = browser.get("/jobs?status=failed")

    assert sent.location == "/login?next=/jobs?status%3Dfailed"
    assert browser.log_in("ann", next="/jobs?status=failed").location == "/jobs?status=failed"


def every_form(app: Flask) -> list[tuple[str, str]]:
    """Return the pages' addresses that take forms, and their endpoints."""
    filled = {"job_id": "0" * 26, "name": "cancel", "token_id": "0" * 26, "user_id": "0" * 26}
    found = []
    for rule in app.url_map.iter_rules():
        if rule.methods and "POST" in rule.methods and not rule.rule.startswith("/api/"):
            with app.test_request_context():
                path = app.url_map.bind("localhost").build(rule.endpoint, {n: filled[n] for n in rule.arguments})
            found.append((path, rule.endpoint))
    return found


def test_every_form_needs_its_token(app: Flask, bob: Any) -> None:
    forms = every_form(app)

    assert len(forms) > 10
    for path, endpoint in forms:
        for token in ("", "forged"):
            answer = bob.client.post(path, data={"csrf_token": token}, environ_overrides=bob.address)
            assert (answer.status_code, "csrf" in answer.text) == (400, True), endpoint


def test_the_token_of_another_session_is_refused(bob: Any, new_browser: Browsers) -> None:
    stranger = new_browser()
    stranger.get("/login")

    assert bob.post("/account/name", {"name": "robert", "csrf_token": stranger.token}).status_code == 400


def test_the_password_changes_with_the_old_one_alone(bob: Any, new_browser: Browsers) -> None:
    wrong = change_password(bob, old="a wrong password")

    assert wrong.status_code == 403
    assert "The old password is wrong." in wrong.text
    assert change_password(bob, again="something else").status_code == 400
    assert change_password(bob, new="short", again="short").status_code == 400
    assert change_password(bob, new=PASSWORD, again=PASSWORD).status_code == 400
    assert new_browser().log_in("bob").status_code == 302


def change_password(browser: Any, **fields: str) -> TestResponse:
    """Fill the form in rightly but for some fields."""
    return browser.post("/account/password", {"old": PASSWORD, "new": OTHER, "again": OTHER} | fields)


def test_a_new_password_ends_all_other_sessions(bob: Any, new_browser: Browsers) -> None:
    elsewhere = new_browser()
    elsewhere.log_in("bob")

    assert change_password(bob).status_code == 302

    assert bob.is_logged_in()
    assert not elsewhere.is_logged_in()
    assert elsewhere.log_in("bob").status_code == 401
    assert elsewhere.log_in("bob", OTHER).status_code == 302


def test_the_old_password_cannot_be_guessed_on_the_account_page(bob: Any) -> None:
    codes = [change_password(bob, old=f"wrong password {n}").status_code for n in range(6)]

    assert codes == [403] * 5 + [429]


def test_a_one_time_password_has_to_be_changed_first(new_browser: Browsers, make_user: Users) -> None:
    make_user("ann", must_change_password=True)
    browser = new_browser()
    browser.log_in("ann")

    for path in ("/", "/upload", "/jobs", "/model"):
        assert browser.get(path).location == "/account"
    assert browser.get("/api/v1/jobs").status_code == 403
    assert browser.post("/account/name", {"name": "anna"}).location == "/account"

    assert change_password(browser).status_code == 302
    assert browser.get("/jobs").status_code == 200


def test_a_user_name_is_changed(bob: Any, new_browser: Browsers, make_user: Users) -> None:
    make_user("ann")

    assert bob.post("/account/name", {"name": "Robert"}).status_code == 302
    assert bob.post("/account/name", {"name": "ann"}).status_code == 409
    assert bob.post("/account/name", {"name": "<script>"}).status_code == 400

    assert new_browser().log_in("robert").status_code == 302


def test_a_token_is_shown_once_works_and_is_revoked(bob: Any, app: Flask) -> None:
    page = bob.post("/account/tokens", {"name": "my script", "scope": "read"}).text
    token = re.search(r'id="new-token">([^<]+)<', page)[1]  # type: ignore[index]
    headers = {"Authorization": f"Bearer {token}"}

    listed = bob.get("/account").text
    assert token not in listed
    assert "my script" in listed
    assert app.test_client().get("/api/v1/jobs", headers=headers).status_code == 200
    revoke = re.search(r'action="(/account/tokens/\w+/revoke)"', listed)[1]  # type: ignore[index]
    assert bob.post(revoke).status_code == 302
    assert app.test_client().get("/api/v1/jobs", headers=headers).status_code == 401


def test_nobody_revokes_the_token_of_another(bob: Any, new_browser: Browsers, make_user: Users) -> None:
    bob.post("/account/tokens", {"name": "t", "scope": "write"})
    revoke = re.search(r'action="(/account/tokens/\w+/revoke)"', bob.get("/account").text)[1]  # type: ignore[index]
    make_user("eve")
    eve = new_browser()
    eve.log_in("eve")

    assert eve.post(revoke).status_code == 404
    assert revoke in bob.get("/account").text


@pytest.fixture
def boss(new_browser: Browsers, make_user: Users) -> Any:
    """An admin, logged in."""
    make_user("boss", is_admin=True)
    browser = new_browser()
    browser.log_in("boss")
    return browser


def user_id(context: Context, name: str) -> str:
    with context.database.read() as connection:
        return connection.execute(select(users.c.id).where(users.c.name == name)).scalar_one()


def test_the_admin_page_does_not_exist_for_others(app: Flask, bob: Any, new_browser: Browsers) -> None:
    assert bob.get("/admin").status_code == 404
    assert "Admin" not in bob.get("/").text
    assert new_browser().get("/admin").location.startswith("/login")
    for path, endpoint in every_form(app):
        if endpoint.startswith("admin."):
            assert bob.post(path).status_code == 404, endpoint


def test_an_admin_makes_a_user_who_chooses_a_password(boss: Any, new_browser: Browsers) -> None:
    password = issued(boss.post("/admin/users", {"name": "Carol"}))
    carol = new_browser()

    assert carol.log_in("carol", password).status_code == 302

    assert carol.get("/jobs").location == "/account"
    assert boss.post("/admin/users", {"name": "CAROL"}).status_code == 409


def issued(answer: TestResponse) -> str:
    """Return the one-time password on a page."""
    found = re.search(r'id="issued-password">([^<]+)<', answer.text)
    assert found is not None
    return found[1]


def test_a_reset_ends_sessions_and_the_old_password(boss: Any, bob: Any, context: Context) -> None:
    password = issued(boss.post(f"/admin/users/{user_id(context, 'bob')}/password"))

    assert not bob.is_logged_in()
    assert bob.log_in("bob").status_code == 401
    assert bob.log_in("bob", password).status_code == 302


def test_a_user_is_disabled_and_enabled(boss: Any, bob: Any, context: Context) -> None:
    address = f"/admin/users/{user_id(context, 'bob')}"

    assert boss.post(f"{address}/disable").status_code == 302
    assert not bob.is_logged_in()
    assert bob.log_in("bob").status_code == 401
    assert boss.post(f"{address}/enable").status_code == 302
    assert bob.log_in("bob").status_code == 302


def test_an_admin_cannot_lock_everybody_out(boss: Any, context: Context, make_user: Users) -> None:
    address = f"/admin/users/{user_id(context, 'boss')}"

    assert boss.post(f"{address}/disable").status_code == 409
    assert boss.post(f"{address}/password").status_code == 409
    assert boss.post(f"/admin/users/{'0' * 26}/disable").status_code == 404
    make_user("deputy", is_admin=True)
    assert boss.post(f"{address}/disable").status_code == 409
    assert boss.is_logged_in()


def test_the_api_takes_a_login_only_with_the_pages_token(bob: Any) -> None:
    job = "/api/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV"

    forged = bob.client.post(f"{job}/cancel", environ_overrides=bob.address)
    own = bob.client.post(f"{job}/cancel", headers={"X-CSRFToken": bob.token}, environ_overrides=bob.address)

    assert (forged.status_code, forged.json["code"]) == (400, "csrf")
    # Let in, and told that there is no such job.
    assert (own.status_code, own.json["code"]) == (404, "not_found")
