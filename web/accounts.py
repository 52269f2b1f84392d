"""Accounts: who may come in. Names are compared in one form, passwords only ever as argon2id hashes."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.database import Database, now_ms
from shared.errors import Conflict, Invalid, NotFound
from shared.identifiers import new_id
from shared.settings import BadSetting, Settings
from shared.tables import users
from web.passwords import check_policy, hash_password, is_outdated, is_right, one_time_password

FIRST_ADMIN = "admin"
NAME_FORM = re.compile(r"[\w.@+-]{1,64}")


@dataclass(frozen=True)
class Account:
    """A user, without the password's hash."""

    id: str
    name: str
    is_admin: bool
    is_active: bool
    must_change_password: bool
    session_epoch: int


COLUMNS: tuple[Column[Any], ...] = (
    users.c.id,
    users.c.name,
    users.c.is_admin,
    users.c.is_active,
    users.c.must_change_password,
    users.c.session_epoch,
)


def normalised_name(name: str) -> str:
    """Return the form in which a name is stored and compared: NFKC, case-folded, without outer blanks."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def checked_name(name: str) -> str:
    """Return a name's stored form.

    Raises:
        Invalid: it is empty, too long, or has other characters than letters, digits and . _ @ + -
    """
    normal = normalised_name(name)
    if not NAME_FORM.fullmatch(normal):
        raise Invalid("A user name has 1 to 64 letters, digits or the signs . _ @ + -", code="bad_user_name")
    return normal


def create_user(
    connection: Connection, name: str, password: str, *, is_admin: bool = False, must_change_password: bool = False
) -> str:
    """Create a user and return the id.

    Raises:
        Invalid: the name or the password is not acceptable.
        Conflict: the name is taken.
    """
    normal = checked_name(name)
    check_policy(password, normal)
    user_id = new_id()
    try:
        with connection.begin_nested():
            connection.execute(
                insert(users).values(
                    id=user_id,
                    name=normal,
                    password_hash=hash_password(password),
                    is_admin=is_admin,
                    must_change_password=must_change_password,
                    created_ms=now_ms(),
                )
            )
    except IntegrityError as error:
        raise Conflict("This user name is taken.", code="user_name_taken") from error
    return user_id


def set_password(connection: Connection, user_id: str, password: str, *, must_change_password: bool = False) -> int:
    """Set a user's password, end all of the user's sessions, and return the epoch that new sessions carry.

    Raises:
        Invalid: the password is not acceptable.
        NotFound: there is no such user.
    """
    account = user_by_id(connection, user_id)
    if account is None:
        raise NotFound("There is no such user.")
    check_policy(password, account.name)
    connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(password_hash=hash_password(password), must_change_password=must_change_password)
    )
    return end_sessions(connection, user_id)


def rename_user(connection: Connection, user_id: str, name: str) -> str:
    """Give a user another name and return its stored form.

    Raises:
        Invalid: the name is not acceptable.
        Conflict: the name is taken.
    """
    normal = checked_name(name)
    try:
        with connection.begin_nested():
            connection.execute(update(users).where(users.c.id == user_id).values(name=normal))
    except IntegrityError as error:
        raise Conflict("This user name is taken.", code="user_name_taken") from error
    return normal


def end_sessions(connection: Connection, user_id: str) -> int:
    """End every session of a user, and return the epoch that new sessions carry."""
    connection.execute(update(users).where(users.c.id == user_id).values(session_epoch=users.c.session_epoch + 1))
    return int(connection.execute(select(users.c.session_epoch).where(users.c.id == user_id)).scalar_one())


def user_by_id(connection: Connection, user_id: str) -> Account | None:
    """Return a user by id."""
    row = connection.execute(select(*COLUMNS).where(users.c.id == user_id)).first()
    return to_account(row) if row else None


def user_by_name(connection: Connection, name: str) -> Account | None:
    """Return a user by name, in whatever case it is written."""
    row = row_by_name(connection, name)
    return to_account(row) if row else None


def to_account(row: Row[Any]) -> Account:
    """Return what a row says of a user, whatever else it holds."""
    return Account(**{column.name: getattr(row, column.name) for column in COLUMNS})


def row_by_name(connection: Connection, name: str) -> Row[*tuple[Any, ...]] | None:
    """Return a user's row, the password's hash last."""
    normal = normalised_name(name)
    row = connection.execute(select(*COLUMNS, users.c.password_hash).where(users.c.name == normal)).first()
    # A server may compare without accents; we do not.
    return row if row is not None and row.name == normal else None


def authenticate(database: Database, name: str, password: str) -> Account | None:
    """Return the active user with this name and password, else None, after the same time in every case.

    Raises:
        Invalid: the password is longer than any that can have been set.
    """
    with database.read() as connection:
        row = row_by_name(connection, name)
    # No connection is held meanwhile: hashing is slow by intention.
    if not is_right(password, row.password_hash if row else None) or row is None or not row.is_active:
        return None
    if is_outdated(row.password_hash):
        values = {"password_hash": hash_password(password)}
        unchanged = (users.c.id == row.id) & (users.c.password_hash == row.password_hash)
        database.run(lambda c: c.execute(update(users).where(unchanged).values(**values)))
    return to_account(row)


def ensure_first_admin(database: Database, settings: Settings) -> str | None:
    """Create the first admin if there are no users yet.

    Returns:
        The random one-time password to be shown once, or None if there was nothing to do or ADMIN_PASSWORD is set.

    Raises:
        BadSetting: ADMIN_PASSWORD is too easily guessed.
    """
    if has_users(database):
        return None
    password = settings.admin_password or one_time_password()
    is_random = not settings.admin_password
    try:
        database.run(lambda c: create_user(c, FIRST_ADMIN, password, is_admin=True, must_change_password=is_random))
    except Invalid as error:
        raise BadSetting(f"ADMIN_PASSWORD cannot be used: {error.detail}") from error
    except Conflict:
        # Another process was faster, and shows its own.
        return None
    return password if is_random else None


def has_users(database: Database) -> bool:
    """Tell whether there is any user."""
    with database.read() as connection:
        return connection.execute(select(users.c.id).limit(1)).first() is not None
