"""The web server's settings, read by `gunicorn --config web/gunicorn.py web.wsgi:app`."""

from shared.settings import load_settings

_settings = load_settings()

bind = f"{_settings.host}:{_settings.port}"
# One process of several threads: on one machine the cores belong to the workers.
workers = 1
worker_class = "gthread"
threads = _settings.web_threads
# An upload under way may end before the server does.
graceful_timeout = 30
timeout = 60
keepalive = 5
# The application writes its own access line, without names and queries.
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True
