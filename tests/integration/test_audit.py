"""The audit log: everything people do to data is in it, and nothing in it can be changed unseen."""

import re
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, insert, select, text, update

from shared.audit import Act, note
from shared.audit.chain import START, Contested, Link, seal, verify
from shared.database import Database
from shared.tables import audit_log, users
from web.context import Context

Headers = dict[str, str]


def acts(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(audit_log.c.act).order_by(audit_log.c.seq)).scalars())


def write(database: Database, count: int) -> None:
    with database.transaction() as connection:
        for _ in range(count):
            note(connection, Act.VIEW, user_id=None)


def test_a_sealed_log_holds(database: Database) -> None:
    write(database, 3)
    first = database.run(seal)
    write(database, 2)

    with database.read() as connection:
        waiting = verify(connection)
    second = database.run(seal)
    with database.read() as connection:
        whole = verify(connection, first)

    assert (first.position, second.position) == (3, 5)
    assert (waiting.head, waiting.waiting, waiting.broken_at) == (first, 2, None)
    assert (whole.head, whole.waiting, whole.broken_at) == (second, 0, None)
    assert database.run(seal) is None


@pytest.mark.parametrize(
    "tamper",
    [
        update(audit_log).where(audit_log.c.position == 3).values(user_id="01M0000000000000000000MALL"),
        update(audit_log).where(audit_log.c.position == 3).values(at_ms=1),
        update(audit_log).where(audit_log.c.position == 3).values(act=Act.LOGIN),
        delete(audit_log).where(audit_log.c.position == 3),
        insert(audit_log).values(at_ms=1, act=Act.VIEW, position=0, sha256="0" * 64),
        text("UPDATE audit_log SET position = 9 WHERE position = 3"),
    ],
    ids=["who", "when", "what", "removed", "put in front", "moved"],
)
def test_tampering_shows(database: Database, tamper) -> None:
    write(database, 5)
    database.run(seal)

    with database.transaction() as connection:
        connection.execute(tamper)
    with database.read() as connection:
        verdict = verify(connection)

    assert verdict.broken_at in (1, 3)


def test_a_log_cut_off_at_its_end_shows_against_a_link_kept_elsewhere(database: Database) -> None:
    write(database, 5)
    head = database.run(seal)
    with database.transaction() as connection:
        connection.execute(delete(audit_log).where(audit_log.c.position > 3))

    with database.read() as connection:
        assert verify(connection).broken_at is None  # the chain alone cannot tell
        assert verify(connection, head).broken_at == 4


def test_a_chain_made_anew_shows_against_a_link_kept_elsewhere(database: Database) -> None:
    write(database, 3)
    head = database.run(seal)
    with database.transaction() as connection:
        connection.execute(delete(audit_log).where(audit_log.c.seq == 2))
        connection.execute(update(audit_log).values(position=None, sha256=None))
    write(database, 1)
    database.run(seal)

    with database.read() as connection:
        assert verify(connection).broken_at is None
        assert verify(connection, head).broken_at == 3


def test_keepers_side_by_side_make_one_chain(database: Database) -> None:
    barrier = Barrier(4)

    def keep() -> None:
        barrier.wait()
        for _ in range(10):
            write(database, 2)
            with suppress(Contested):
                database.run(seal)

    threads = [Thread(target=keep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while database.run(seal):
        pass

    with database.read() as connection:
        verdict = verify(connection)
    assert (verdict.head.position, verdict.waiting, verdict.broken_at) == (80, 0, None)


def test_what_people_do_is_noted(
    client: FlaskClient, context: Context, ann: dict[str, str], scan_png: bytes, bob: Any
) -> None:
    job = client.post("/api/v1/jobs", headers=ann, data={"scan": (BytesIO(scan_png), "x.png")}).json
    client.post(f"/api/v1/jobs/{job['id']}/cancel", headers=ann)
    client.post(f"/api/v1/jobs/{job['id']}/retry", headers=ann)
    client.get(f"/api/v1/jobs/{job['id']}/original", headers=ann)
    client.get(f"/api/v1/jobs/{job['id']}/original", headers=ann)
    client.delete(f"/api/v1/jobs/{job['id']}", headers=ann)
    bob.post("/account/name", {"name": "rob"})
    bob.post("/account/tokens", {"name": "t", "scope": "read"})
    bob.post("/logout")
    bob.log_in("rob", "not the password")

    # ann's second look within the minute is not noted again.
    assert acts(context.database) == [
        "login", "submit", "cancel", "retry", "download", "delete",
        "name_change", "token_create", "logout", "login_refused",
    ]  # fmt: skip


def test_a_refused_change_is_not_noted_as_done(
    client: FlaskClient,
    context: Context,
    ann: dict[str, str],
    make_token: Callable[..., Headers],
    scan_png: bytes,
) -> None:
    job = client.post("/api/v1/jobs", headers=ann, data={"scan": (BytesIO(scan_png), "x.png")}).json
    eve = make_token("eve")

    assert client.post(f"/api/v1/jobs/{job['id']}/cancel", headers=eve).status_code == 404
    assert client.get(f"/api/v1/jobs/{job['id']}/original", headers=eve).status_code == 404
    assert client.post(f"/api/v1/jobs/{job['id']}/retry", headers=ann).status_code == 409
    assert acts(context.database) == ["submit"]


def test_the_log_holds_no_address_and_no_name(context: Context, bob: Any, make_user: Callable[..., str]) -> None:
    bob.log_in("ZZPHI^TEST", "not the password")

    with context.database.read() as connection:
        rows = [str(tuple(row)) for row in connection.execute(select(audit_log))]
    assert len(rows) == 2
    assert not re.search("192.0.2|ZZPHI|zzphi|bob", "".join(rows))


def test_an_admins_acts_name_admin_and_user(
    new_browser: Callable[[], Any], make_user: Callable[..., str], context: Context
) -> None:
    admin_id, user_id = make_user("root", is_admin=True), make_user("carl")
    browser = new_browser()
    browser.log_in("root")
    for change in ("password", "disable", "enable"):
        browser.post(f"/admin/users/{user_id}/{change}")
    browser.post("/admin/users", {"name": "dora"})

    with context.database.read() as connection:
        rows = connection.execute(select(audit_log).order_by(audit_log.c.seq)).all()
        dora = connection.execute(select(users.c.id).where(users.c.name == "dora")).scalar_one()
    assert [(row.act, row.user_id, row.object_id) for row in rows[1:]] == [
        ("password_reset", admin_id, user_id),
        ("user_disable", admin_id, user_id),
        ("user_enable", admin_id, user_id),
        ("user_create", admin_id, dora),
    ]


def test_the_command_verifies(context: Context, app: Flask) -> None:
    write(context.database, 3)
    head = context.database.run(seal)
    runner = app.test_cli_runner()
    app.app_context().push()

    good = runner.invoke(args=["verify-audit", "--expect", str(head)])
    with context.database.transaction() as connection:
        connection.execute(update(audit_log).where(audit_log.c.position == 2).values(at_ms=1))
    bad = runner.invoke(args=["verify-audit"])

    assert good.exit_code == 0
    assert f"Keep this elsewhere: {head}" in good.output
    assert bad.exit_code == 1
    assert "does not hold at position 2" in bad.output
    assert runner.invoke(args=["verify-audit", "--expect", "nonsense"]).exit_code == 2


def test_an_empty_log_holds(database: Database) -> None:
    with database.read() as connection:
        assert verify(connection).head == START
        assert verify(connection, Link(1, "f" * 64)).broken_at == 1


def test_an_admin_reads_the_log_page_by_page_and_nobody_else_does(
    new_browser: Callable[[], Any], make_user: Callable[..., str], context: Context, bob: Any
) -> None:
    make_user("root", is_admin=True)
    browser = new_browser()
    browser.log_in("root")
    write(context.database, 150)

    first = browser.get("/admin/audit")
    older = browser.get(re.search(r'rel="next" href="([^"]+)"', first.text)[1])

    assert (first.text.count("<tr>"), older.text.count("<tr>")) == (101, 53)
    assert "root" in older.text
    assert browser.get("/admin/audit?before=x").status_code == 400
    assert bob.get("/admin/audit").status_code == 404
