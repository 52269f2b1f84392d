"""The web server's settings, read by `gunicorn --config web/gunicorn.py web.wsgi:app`."""

import logging
import socket
import struct
from typing import Any

from shared.settings import load_settings

_settings = load_settings()

bind = f"{_settings.host}:{_settings.port}"
# One process of several threads: on one machine the cores belong to the workers.
workers = 1
worker_class = "gthread"
threads = _settings.web_threads
# Room for the 200 job ids that one question may name.
limit_request_line = 8190
# An upload under way may end before the server does.
graceful_timeout = 30
timeout = 60
keepalive = 5
# Whoever sends nothing for so long is not waited for: a thread is theirs meanwhile.
SILENCE_S = 10
# The application writes its own access line, without names and queries.
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Bound the silence of clients; the sockets that a listener accepts inherit its time-outs."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", SILENCE_S, 0))
    logging.getLogger("gunicorn.error").addFilter(is_no_silence)


def is_no_silence(record: logging.LogRecord) -> bool:
    """Tell whether a log record is about something else than a client that fell silent, which happens every day."""
    return not (record.exc_info and isinstance(record.exc_info[1], BlockingIOError))
