"""The account page: one's own name, password and API tokens."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from shared.audit import Act
from shared.errors import Invalid, NotAllowed, RequestRefused, TooMany
from web import sessions
from web.accounts import authenticate, rename_user, set_password
from web.audit_trail import noted
from web.context import current
from web.errors import STATUS
from web.login_throttle import begin_attempt, forgive
from web.tokens import create_token, list_tokens, revoke_token

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("")
@login_required
def show() -> ResponseReturnValue:
    """Show the account page."""
    return page()


@blueprint.post("/name")
@login_required
def change_name() -> ResponseReturnValue:
    """Change the user name."""
    try:
        name = request.form.get("name", "")
        noted(Act.NAME_CHANGE, lambda c: rename_user(c, current_user.id, name), user_id=current_user.id)
    except RequestRefused as refusal:
        return page(section="name", refusal=refusal)
    flash("Your user name is changed.")
    return redirect(url_for("account.show"))


@blueprint.post("/password")
@login_required
def change_password() -> ResponseReturnValue:
    """Change the password after asking for the old one; every other session of the user ends."""
    new = request.form.get("new", "")
    try:
        if new != request.form.get("again", ""):
            raise Invalid("The two new passwords differ.", code="passwords_differ")
        check_old_password(request.form.get("old", ""), new)
        epoch = noted(Act.PASSWORD_CHANGE, lambda c: set_password(c, current_user.id, new), user_id=current_user.id)
    except RequestRefused as refusal:
        return page(section="password", refusal=refusal)
    sessions.carry_on(epoch)
    flash("Your password is changed. All your other sessions have ended.")
    return redirect(url_for("account.show"))


def check_old_password(old: str, new: str) -> None:
    """Ask for the old password, as slowly as the login does: the session may be somebody else's by now.

    Raises:
        NotAllowed: it is wrong.
        Invalid: the new one is the same.
        TooMany: it was wrong too often.
    """
    database, per_minute = current().database, current().settings.login_attempts_per_min
    attempt = begin_attempt(database, current_user.name, request.remote_addr or "", per_minute=per_minute)
    if authenticate(database, current_user.name, old) is None:
        raise NotAllowed("The old password is wrong.", code="wrong_password")
    forgive(database, attempt)
    if old == new:
        raise Invalid("Choose a password other than the old one.", code="password_unchanged")


@blueprint.post("/tokens")
@login_required
def add_token() -> ResponseReturnValue:
    """Create an API token and show it, this once."""
    name, scope = request.form.get("name", ""), request.form.get("scope", "")
    try:
        user_id = current_user.id
        token = noted(Act.TOKEN_CREATE, lambda c: create_token(c, user_id, name=name, scope=scope), user_id=user_id)
    except RequestRefused as refusal:
        return page(section="tokens", refusal=refusal)
    return page(section="tokens", token=token)


@blueprint.post("/tokens/<token_id>/revoke")
@login_required
def revoke(token_id: str) -> ResponseReturnValue:
    """Make a token worthless."""
    user_id = current_user.id
    noted(Act.TOKEN_REVOKE, lambda c: revoke_token(c, user_id, token_id), user_id=user_id, object_id=token_id)
    flash("The token is revoked.")
    return redirect(url_for("account.show", _anchor="tokens"))


def page(
    *, section: str | None = None, refusal: RequestRefused | None = None, token: str | None = None
) -> ResponseReturnValue:
    """Render the account page, with what was refused beside the form it was refused in."""
    with current().database.read() as connection:
        tokens = list_tokens(connection, current_user.id)
    status = STATUS[type(refusal)] if refusal else 200
    text = render_template("account.html", tokens=tokens, section=section, refusal=refusal, token=token)
    headers = {"Retry-After": str(refusal.retry_after_s)} if isinstance(refusal, TooMany) else {}
    return text, status, headers
