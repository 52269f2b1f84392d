"""Accounts: names in one form, passwords hashed, the first admin made once."""

import threading
from contextlib import suppress
from statistics import median
from time import perf_counter

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from shared.database import Database
from shared.errors import Conflict, Invalid, TooMany
from shared.settings import BadSetting, load_settings
from shared.tables import login_failures, users
from web import passwords
from web.accounts import (
    authenticate,
    create_user,
    ensure_first_admin,
    normalised_name,
    rename_user,
    set_password,
    user_by_id,
    user_by_name,
)
from web.login_throttle import begin_attempt, forgive, network_of

PASSWORD = "a long test password"
# What the answer for an unknown name may differ by from that for a known one, at the median.
SAME_TIME_S = 0.005


def create(database: Database, name: str, password: str = PASSWORD, **options: bool) -> str:
    return database.run(lambda c: create_user(c, name, password, **options))


def stored_hash(database: Database, name: str) -> str:
    with database.read() as connection:
        return connection.execute(select(users.c.password_hash).where(users.c.name == name)).scalar_one()


def test_a_password_is_stored_as_argon2id_with_enough_memory(database: Database) -> None:
    create(database, "ann")

    stored = stored_hash(database, "ann")
    assert stored.startswith("$argon2id$v=19$")
    assert 19456 <= int(stored.split("m=")[1].split(",")[0]) <= 47104
    assert PASSWORD not in stored


@pytest.mark.parametrize("written", ["Ann", "ANN", "ａｎｎ", " ann "], ids=["case", "capitals", "full width", "blanks"])
def test_a_name_is_the_same_in_every_form(database: Database, written: str) -> None:
    user_id = create(database, "ann")

    found = authenticate(database, written, PASSWORD)

    assert found is not None
    assert found.id == user_id


def test_a_name_is_taken_in_every_form(database: Database) -> None:
    create(database, "straße")

    with pytest.raises(Conflict):
        create(database, "STRASSE")


def test_normalising_twice_changes_nothing_more() -> None:
    for name in ("Ａｎｎ", "İstanbul", "ﬁnn", "ẞ", "ǰ"):
        assert normalised_name(normalised_name(name)) == normalised_name(name)


@pytest.mark.parametrize("name", ["", " ", "a b", "a\nb", "<b>", "x" * 65, "a/b", "a\0b"])
def test_a_name_that_makes_no_sense_is_refused(database: Database, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        create(database, name)

    assert refused.value.code == "bad_user_name"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("x" * 1025, "password_too_long"),
        ("Password123!", "password_common"),
        ("qwertyuiop", "password_common"),
        ("i am Ann myself", "password_has_name"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused(database: Database, password: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        create(database, "ann", password)

    assert refused.value.code == code


@pytest.mark.parametrize("password", ["😀" * 200, "with\0a zero", "  blanks around  ", "ünïcödé pässwörd"])
def test_a_password_is_taken_as_it_is(database: Database, password: str) -> None:
    create(database, "ann", password)

    assert authenticate(database, "ann", password) is not None
    assert authenticate(database, "ann", password.strip() + "x") is None


def test_a_wrong_password_an_unknown_name_and_a_disabled_user_are_refused_alike(database: Database) -> None:
    create(database, "ann")
    gone = create(database, "gone")
    database.run(lambda c: c.execute(update(users).where(users.c.id == gone).values(is_active=False)))

    assert authenticate(database, "ann", "another password") is None
    assert authenticate(database, "nobody", PASSWORD) is None
    assert authenticate(database, "gone", PASSWORD) is None


def test_an_unknown_name_takes_as_long_as_a_known_one(database: Database) -> None:
    create(database, "ann")
    times: dict[str, list[float]] = {"ann": [], "nobody": []}

    for _ in range(15):
        for name, taken in times.items():
            start = perf_counter()
            authenticate(database, name, "another password")
            taken.append(perf_counter() - start)

    # The smaller half: what other processes took of the processor is not ours.
    quick = {name: median(sorted(taken)[:8]) for name, taken in times.items()}
    assert abs(quick["ann"] - quick["nobody"]) < max(SAME_TIME_S, 0.15 * quick["ann"])


def test_no_more_than_four_passwords_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, guard = 0, 0, threading.Lock()
    release = threading.Event()

    class Slow:
        def hash(self, password: str) -> str:
            nonlocal at_once, most
            with guard:
                at_once += 1
                most = max(most, at_once)
            release.wait(0.05)
            with guard:
                at_once -= 1
            return "hash"

    monkeypatch.setattr(passwords, "_hasher", Slow())
    threads = [threading.Thread(target=passwords.hash_password, args=("x",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 4


def test_an_old_hash_is_renewed_at_the_next_login(database: Database) -> None:
    user_id = create(database, "ann")
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    database.run(lambda c: c.execute(update(users).where(users.c.id == user_id).values(password_hash=old)))

    assert authenticate(database, "ann", PASSWORD) is not None

    assert "m=32768,t=3" in stored_hash(database, "ann")
    assert authenticate(database, "ann", PASSWORD) is not None


def test_a_new_password_replaces_the_old_and_ends_sessions(database: Database) -> None:
    user_id = create(database, "ann", must_change_password=True)

    epoch = database.run(lambda c: set_password(c, user_id, "quite another one"))

    account = authenticate(database, "ann", "quite another one")
    assert account is not None
    assert (account.session_epoch, account.must_change_password) == (epoch, False) == (1, False)
    assert authenticate(database, "ann", PASSWORD) is None


def test_a_user_takes_another_name_but_not_a_taken_one(database: Database) -> None:
    user_id = create(database, "ann")
    create(database, "bob")

    assert database.run(lambda c: rename_user(c, user_id, "Anna")) == "anna"
    with pytest.raises(Conflict):
        database.run(lambda c: rename_user(c, user_id, "BOB"))

    with database.read() as connection:
        assert user_by_id(connection, user_id).name == "anna"  # type: ignore[union-attr]
        assert user_by_name(connection, "ann") is None


def test_the_first_admin_gets_a_random_password_to_be_changed(database: Database) -> None:
    password = ensure_first_admin(database, load_settings({}))

    account = authenticate(database, "admin", password or "")
    assert account is not None
    assert account.is_admin
    assert account.must_change_password
    assert ensure_first_admin(database, load_settings({})) is None


def test_the_first_admin_takes_the_password_of_the_setting(database: Database) -> None:
    assert ensure_first_admin(database, load_settings({"ADMIN_PASSWORD": PASSWORD})) is None

    account = authenticate(database, "admin", PASSWORD)
    assert account is not None
    assert not account.must_change_password


def test_no_default_password_works_on_a_fresh_installation(database: Database) -> None:
    assert authenticate(database, "admin", "admin") is None


def test_a_weak_admin_password_in_the_settings_is_refused(database: Database) -> None:
    with pytest.raises(BadSetting, match="ADMIN_PASSWORD"):
        ensure_first_admin(database, load_settings({"ADMIN_PASSWORD": "admin"}))


def test_two_starts_at_once_make_one_admin(database: Database) -> None:
    made: list[str | None] = []
    barrier = threading.Barrier(4)

    def start() -> None:
        barrier.wait()
        made.append(ensure_first_admin(database, load_settings({})))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (password,) = [text for text in made if text is not None]
    assert authenticate(database, "admin", password) is not None


def test_an_account_may_fail_so_often_from_an_address(database: Database) -> None:
    for _ in range(5):
        begin_attempt(database, "ann", "192.0.2.1", per_minute=5)

    with pytest.raises(TooMany) as refused:
        begin_attempt(database, "ANN", "192.0.2.1", per_minute=5)
    assert 1 <= refused.value.retry_after_s <= 60
    begin_attempt(database, "ann", "192.0.2.2", per_minute=5)
    begin_attempt(database, "bob", "192.0.2.1", per_minute=5)


def test_an_address_may_fail_so_often_whatever_the_name(database: Database) -> None:
    for number in range(20):
        begin_attempt(database, f"user{number}", "2001:db8::1", per_minute=5)

    with pytest.raises(TooMany):
        begin_attempt(database, "user99", "2001:db8::ffff:2", per_minute=5)
    begin_attempt(database, "user99", "2001:db8:0:1::1", per_minute=5)


def test_a_refused_try_does_not_prolong_the_wait(database: Database) -> None:
    for _ in range(5):
        begin_attempt(database, "ann", "192.0.2.1", per_minute=5)
    for _ in range(3):
        with pytest.raises(TooMany):
            begin_attempt(database, "ann", "192.0.2.1", per_minute=5)
    with database.read() as connection:
        assert len(connection.execute(select(login_failures)).all()) == 5 * 2
    an_hour_ago = {"at_ms": login_failures.c.at_ms - 3_600_000}
    database.run(lambda c: c.execute(update(login_failures).values(**an_hour_ago)))

    attempt = begin_attempt(database, "ann", "192.0.2.1", per_minute=5)

    forgive(database, attempt)
    with database.read() as connection:
        assert connection.execute(select(login_failures)).all() == []


def test_tries_at_the_same_moment_do_not_slip_past_together(database: Database) -> None:
    passed: list[object] = []
    barrier = threading.Barrier(12)

    def guess() -> None:
        barrier.wait()
        with suppress(TooMany):
            passed.append(begin_attempt(database, "ann", "192.0.2.1", per_minute=5))

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(passed) <= 5


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("", "")],
)
def test_what_one_client_cannot_leave(address: str, network: str) -> None:
    assert network_of(address) == network
