"""Who calls: a program with a bearer token, or the site's own script with a login's cookie."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from flask import g, request
from flask_login import current_user

from shared.errors import NotAllowed, NotAuthenticated
from web.context import current
from web.csrf import csrf
from web.tokens import WRITE, find_token

View = TypeVar("View", bound=Callable[..., Any])
SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Caller:
    """Who calls and whether they may change anything."""

    user_id: str
    may_write: bool


def caller() -> Caller:
    """Return who makes this request."""
    found: Caller = g.caller
    return found


def requires_caller(view: View) -> View:
    """Let a view run only for a known caller, and one that changes things only for a caller that may.

    Raises:
        NotAuthenticated: neither a valid token nor a login.
        NotAllowed: a read-only token, or a password that must be changed first.
    """

    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        g.caller = identify()
        if request.method not in SAFE and not g.caller.may_write:
            raise NotAllowed("This token may only read.")
        return view(*args, **kwargs)

    return checked  # type: ignore[return-value]


def identify() -> Caller:
    """Find out who calls."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        found = find_token(current().database, secret.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise NotAuthenticated("This token is unknown or revoked.")
        return Caller(found.user_id, found.scope == WRITE)
    if not current_user.is_authenticated:
        raise NotAuthenticated("Please send a token in the Authorization header: Bearer …")
    if current_user.must_change_password:
        raise NotAllowed("Please change your one-time password first.", code="must_change_password")
    if request.method not in SAFE:
        # A browser sends the cookie for any site that asks it to; only our own pages know the form token.
        csrf.protect()
    return Caller(current_user.id, may_write=True)
