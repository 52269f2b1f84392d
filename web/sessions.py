"""Logins: when one begins, what ends it, and which requests keep it alive.

The session is a signed cookie, which a server cannot take back. So it carries the epoch of its user; logging out and
changing the password raise the epoch, and every cookie from before is worth nothing.
"""

import time
from datetime import timedelta

from flask import request, session
from flask_login import UserMixin, login_user

from shared.settings import Settings
from web.accounts import Account, user_by_id
from web.context import current

EPOCH, BEGAN, SEEN = "epoch", "began_s", "seen_s"
# The cookie is written again at most this often, not at every request.
TOUCH_EVERY_S = 30
# Pages that watch a job ask here all by themselves, with nobody at the screen.
POLLED = "/api/"


class SessionUser(UserMixin):
    """Who is logged in, as `flask_login.current_user`."""

    def __init__(self, account: Account) -> None:
        self.id = account.id
        self.name = account.name
        self.is_admin = account.is_admin
        self.must_change_password = account.must_change_password
        self.session_epoch = account.session_epoch


def begin(account: Account) -> None:
    """Log a user in. Nothing of the session from before is kept: it may have been planted."""
    session.clear()
    login_user(SessionUser(account))
    now_s = int(time.time())
    session.update({EPOCH: account.session_epoch, BEGAN: now_s, SEEN: now_s})


def carry_on(session_epoch: int) -> None:
    """Keep this session alive while all others of its user end."""
    session[EPOCH] = session_epoch


def load_user(user_id: str) -> SessionUser | None:
    """Return the session's user, or None if the session has ended: by time, by epoch, or with the account."""
    if is_over(current().settings):
        return None
    with current().database.read() as connection:
        account = user_by_id(connection, user_id)
    if account is None or not account.is_active or account.session_epoch != session.get(EPOCH):
        return None
    touch()
    return SessionUser(account)


def is_over(settings: Settings) -> bool:
    """Tell whether the session has lain idle, or has lasted, too long."""
    began_s, seen_s = session.get(BEGAN), session.get(SEEN)
    if not isinstance(began_s, int) or not isinstance(seen_s, int):
        return True
    now_s = time.time()
    idle_s = timedelta(minutes=settings.session_idle_min).total_seconds()
    absolute_s = timedelta(hours=settings.session_absolute_h).total_seconds()
    return now_s - seen_s > idle_s or now_s - began_s > absolute_s


def touch() -> None:
    """Note that somebody is there, unless it is only a page that watches its jobs."""
    if request.path.startswith(POLLED) and request.method in ("GET", "HEAD"):
        return
    now_s = int(time.time())
    if now_s - session[SEEN] >= TOUCH_EVERY_S:
        session[SEEN] = now_s
