"""The admin's pages: users, and the queue."""

import logging
from collections.abc import Callable
from functools import wraps

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required
from sqlalchemy import Connection, select, update

from shared.audit import Act
from shared.errors import Conflict, NotFound, RequestRefused
from shared.tables import users
from web.accounts import COLUMNS, Account, create_user, end_sessions, set_password, user_by_id
from web.audit_trail import note, noted
from web.context import current
from web.errors import STATUS
from web.passwords import one_time_password
from web.queue_overview import queue_overview

logger = logging.getLogger(__name__)
blueprint = Blueprint("admin", __name__, url_prefix="/admin")
View = Callable[..., ResponseReturnValue]


def admins_only(view: View) -> View:
    """Let admins alone see a page; for others it does not exist."""

    @wraps(view)
    @login_required
    def guarded(**values: str) -> ResponseReturnValue:
        if not current_user.is_admin:
            raise NotFound("There is no such page.")
        return view(**values)

    return guarded


@blueprint.get("")
@admins_only
def show() -> ResponseReturnValue:
    """Show users and queue."""
    return page()


@blueprint.post("/users")
@admins_only
def add_user() -> ResponseReturnValue:
    """Create a user with a one-time password, shown once."""
    password = one_time_password()
    name, is_admin = request.form.get("name", ""), request.form.get("is_admin") == "yes"
    try:
        user_id = current().database.run(lambda c: create_noted(c, name, password, is_admin=is_admin))
    except RequestRefused as refusal:
        return page(refusal=refusal)
    logger.info("user created user_id=%s by=%s", user_id, current_user.id)
    return page(issued=(user_id, password))


@blueprint.post("/users/<user_id>/password")
@admins_only
def reset_password(user_id: str) -> ResponseReturnValue:
    """Give a user a new one-time password, shown once; the user's sessions end."""
    if user_id == current_user.id:
        raise Conflict("Change your own password on your account page.", code="own_account")
    password = one_time_password()
    noted(
        Act.PASSWORD_RESET,
        lambda c: set_password(c, user_id, password, must_change_password=True),
        user_id=current_user.id,
        object_id=user_id,
    )
    logger.info("password reset user_id=%s by=%s", user_id, current_user.id)
    return page(issued=(user_id, password))


@blueprint.post("/users/<user_id>/disable")
@admins_only
def disable(user_id: str) -> ResponseReturnValue:
    """Keep a user out, at once; jobs and results stay."""
    # So that there always is an admin who can log in.
    if user_id == current_user.id:
        raise Conflict("You cannot disable your own account.", code="own_account")
    account = switch(Act.USER_DISABLE, user_id)
    flash(f"{account.name} can no longer log in.")
    return redirect(url_for("admin.show"))


@blueprint.post("/users/<user_id>/enable")
@admins_only
def enable(user_id: str) -> ResponseReturnValue:
    """Let a disabled user in again."""
    account = switch(Act.USER_ENABLE, user_id)
    flash(f"{account.name} can log in again.")
    return redirect(url_for("admin.show"))


def create_noted(connection: Connection, name: str, password: str, *, is_admin: bool) -> str:
    """Create a user who must choose a password, note it, and return the id.

    Raises:
        Invalid: the name is not acceptable.
        Conflict: the name is taken.
    """
    user_id = create_user(connection, name, password, is_admin=is_admin, must_change_password=True)
    note(connection, Act.USER_CREATE, user_id=current_user.id, object_id=user_id)
    return user_id


def switch(act: Act, user_id: str) -> Account:
    """Enable or disable a user, and note it.

    Raises:
        NotFound: there is no such user.
    """
    is_active = act == Act.USER_ENABLE
    return noted(act, lambda c: set_active(c, user_id, is_active=is_active), user_id=current_user.id, object_id=user_id)


def set_active(connection: Connection, user_id: str, *, is_active: bool) -> Account:
    """Enable or disable a user.

    Raises:
        NotFound: there is no such user.
    """
    account = user_by_id(connection, user_id)
    if account is None:
        raise NotFound("There is no such user.")
    connection.execute(update(users).where(users.c.id == user_id).values(is_active=is_active))
    if not is_active:
        end_sessions(connection, user_id)
    logger.info("user_id=%s active=%s by=%s", user_id, is_active, current_user.id)
    return account


def page(*, issued: tuple[str, str] | None = None, refusal: RequestRefused | None = None) -> ResponseReturnValue:
    """Render the page; `issued` is a user's id and the password to show once."""
    with current().database.read() as connection:
        people = connection.execute(select(*COLUMNS, users.c.created_ms).order_by(users.c.name)).all()
        overview = queue_overview(connection)
    text = render_template("admin.html", people=people, overview=overview, issued=issued, refusal=refusal)
    return text, STATUS[type(refusal)] if refusal else 200
