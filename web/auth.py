"""Logging in and out."""

import logging
from urllib.parse import urlsplit

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_required, logout_user

from shared.audit import Act
from shared.errors import RequestRefused, TooMany
from web import sessions
from web.accounts import authenticate, end_sessions
from web.audit_trail import noted
from web.context import current
from web.login_throttle import begin_attempt, forgive
from web.sessions import SessionUser

logger = logging.getLogger(__name__)
blueprint = Blueprint("auth", __name__)
login_manager = LoginManager()
login_manager.session_protection = "strong"
login_manager.user_loader(sessions.load_user)

API = "/api/"
# One sentence for an unknown name, a wrong password and a disabled account: none tells which names exist.
WRONG = "User name or password is wrong."
# What somebody who must choose a new password may still do.
ALLOWED_BEFORE_CHANGE = {"account.show", "account.change_password", "auth.logout", "static"}


@login_manager.unauthorized_handler
def ask_to_log_in() -> ResponseReturnValue:
    """Send somebody to the login page, and back afterwards."""
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.login", next=wanted))


@blueprint.before_app_request
def insist_on_new_password() -> ResponseReturnValue | None:
    """Let nobody work with a password that somebody else has seen."""
    # Requests without a login, health checks above all, must not ask the database.
    if "_user_id" not in session or request.endpoint is None or request.endpoint in ALLOWED_BEFORE_CHANGE:
        return None
    # The API refuses such a user itself: web.api.identity.
    if request.path.startswith(API):
        return None
    if not current_user.is_authenticated or not current_user.must_change_password:
        return None
    return redirect(url_for("account.show"))


@blueprint.app_context_processor
def viewer() -> dict[str, SessionUser | None]:
    """Tell every template who looks at it; nobody, where that cannot be found out."""
    try:
        user = current_user if current_user.is_authenticated else None
    except Exception:
        # Whatever it is, the page that tells of it must appear; the view that met it first has logged it.
        user = None
    return {"viewer": user}


@blueprint.get("/login")
def login() -> ResponseReturnValue:
    """Show the login page."""
    if current_user.is_authenticated:
        return redirect(safe_target(request.args.get("next")))
    return render_template("login.html", name="", next=request.args.get("next", ""))


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Check name and password; begin a session or say why not."""
    database, settings = current().database, current().settings
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        attempt = begin_attempt(database, name, request.remote_addr or "", per_minute=settings.login_attempts_per_min)
        account = authenticate(database, name, password)
    except TooMany as refusal:
        logger.warning("login refused reason=throttled")
        answer = login_again(name, refusal.detail, 429)
        answer.headers["Retry-After"] = str(refusal.retry_after_s)
        return answer
    except RequestRefused as refusal:
        return login_again(name, refusal.detail, 400)
    if account is None:
        logger.warning("login refused reason=wrong")
        noted(Act.LOGIN_REFUSED, lambda c: None, user_id=None)
        return login_again(name, WRONG, 401)
    forgive(database, attempt)
    noted(Act.LOGIN, lambda c: None, user_id=account.id)
    sessions.begin(account)
    logger.info("login user_id=%s", account.id)
    return redirect(safe_target(request.form.get("next")))


@blueprint.post("/logout")
@login_required
def logout() -> ResponseReturnValue:
    """End this and every other session of the user: a copied cookie must not outlive it."""
    user_id = current_user.id
    noted(Act.LOGOUT, lambda c: end_sessions(c, user_id), user_id=user_id)
    logout_user()
    session.clear()
    flash("You are logged out. Your sessions in other browsers have ended too.")
    return redirect(url_for("pages.home"))


def login_again(name: str, error: str, status: int) -> Response:
    """Show the login page with what went wrong."""
    page = render_template("login.html", name=name, next=request.form.get("next", ""), error=error)
    return make_response(page, status)


def safe_target(wanted: str | None) -> str:
    """Return where to go after the login: a path on this server and nothing else."""
    if not wanted or not wanted.startswith("/") or not wanted.isprintable() or "\\" in wanted:
        return url_for("pages.home")
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or wanted.startswith("//"):
        return url_for("pages.home")
    return wanted
