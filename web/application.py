"""Make the application."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from shared.settings import MIB, Settings, load_settings
from web import account, audit_page, auth, commands, errors, health, pages, request_log, security_headers
from web.api import register_api
from web.context import open_context, secret_key
from web.csrf import csrf


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application with its settings; without any, those of the environment."""
    settings = settings or load_settings()
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secret_key(settings),
        # Uploads raise these for themselves; everything else is a small form.
        MAX_CONTENT_LENGTH=MIB,
        # Above the 64 KiB that Werkzeug reads at a time: at that very size it refuses files that hold a line break.
        MAX_FORM_MEMORY_SIZE=256 * 1024,
        MAX_FORM_PARTS=settings.max_files_per_upload + 10,
        TRUSTED_HOSTS=[host.strip() for host in settings.trusted_hosts.split(",") if host.strip()] or None,
        SESSION_COOKIE_NAME="__Host-session" if settings.cookie_secure else "session",
        SESSION_COOKIE_SECURE=settings.cookie_secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=settings.cookie_secure,
    )
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    open_context(app, settings)
    request_log.init_app(app)
    csrf.init_app(app)
    security_headers.init_app(app)
    errors.init_app(app)
    auth.login_manager.init_app(app, add_context_processor=False)
    for module in (auth, account, audit_page, pages, health):
        app.register_blueprint(module.blueprint)
    register_api(app)
    commands.init_app(app)
    return app
