"""Run the whole system on one machine: broker, web and workers, started and stopped together.

`make run` calls this. What REDIS_URL or DATABASE_URL name is used; what they leave empty runs inside DATA_DIR.
"""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from urllib.request import urlopen

import redis
from honcho import manager
from honcho.environ import parse_procfile

from shared.database import Database
from shared.embedded_redis import LONGEST_SOCKET_PATH, NoRedis, find_redis_server, redis_command
from shared.errors import ServiceError
from shared.migrate import migrate
from shared.settings import REDIS_SOCKET_NAME, BadSetting, Settings, load_settings
from web.accounts import ensure_first_admin

REDIS_START_S = 10
READY_S = 60
# Exit statuses of honcho after SIGINT and SIGTERM.
STOPPED = (130, 143)
# A worker finishes the batch in hand before it goes.
STOP_S = 30


class CannotStart(RuntimeError):
    """The system cannot start; the message says why and what to do."""


def main() -> int:
    """Run until Ctrl-C; return the exit status."""
    try:
        settings = load_settings()
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with only_one(settings.data_dir), broker(settings) as settings:
            password = prepare_database(settings)
            return serve(settings, password)
    except (BadSetting, CannotStart, NoRedis, ServiceError) as error:
        print(f"hepaq cannot start: {error}", file=sys.stderr)
        return 2


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder, so that a second start on it says so instead of doing harm.

    Raises:
        CannotStart: another one runs.
    """
    with open(data_dir / "run.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise CannotStart(f"it is already running on {data_dir} (process {lock.read().strip()}).") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def broker(settings: Settings) -> Iterator[Settings]:
    """Start the embedded redis-server unless REDIS_URL names one, and stop it last.

    Raises:
        NoRedis: there is none to start.
        CannotStart: it does not come up.
    """
    if settings.redis_url:
        yield settings
        return
    socket = socket_path(settings.data_dir)
    command = redis_command(find_redis_server(), settings.data_dir, socket)
    # In a session of its own: Ctrl-C reaches this process alone, which stops the others in their order.
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        wait_for_redis(socket, process)
        yield replace(settings, redis_url=f"unix://{socket}")
    finally:
        process.terminate()
        process.wait(timeout=REDIS_START_S)


def socket_path(data_dir: Path) -> Path:
    """Return where the socket lies: in the data folder, or where its path is short enough for a socket."""
    socket = data_dir / REDIS_SOCKET_NAME
    if len(str(socket)) <= LONGEST_SOCKET_PATH:
        return socket
    folder = Path(gettempdir()) / f"hepaq-{os.getuid()}-{sha256(str(data_dir).encode()).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / REDIS_SOCKET_NAME


def wait_for_redis(socket: Path, process: subprocess.Popen[bytes]) -> None:
    """Return once the embedded server answers.

    Raises:
        CannotStart: it ended, or does not answer in time.
    """
    give_up_s = time.monotonic() + REDIS_START_S
    while time.monotonic() < give_up_s and process.poll() is None:
        with suppress(redis.RedisError), redis.Redis(unix_socket_path=str(socket)) as client:
            client.ping()
            return
        time.sleep(0.05)
    raise CannotStart("the embedded redis-server does not come up; see the lines above.")


def prepare_database(settings: Settings) -> str | None:
    """Migrate, make the first admin, and return its random password if one was made up."""
    migrate(settings.effective_database_url)
    database = Database(settings.effective_database_url)
    try:
        return ensure_first_admin(database, settings)
    finally:
        database.close()


def serve(settings: Settings, password: str | None) -> int:
    """Run the processes of the Procfile until one ends or Ctrl-C."""
    manager.KILL_WAIT = STOP_S
    processes = manager.Manager()
    environment = os.environ | {"REDIS_URL": settings.effective_redis_url, "PYTHONUNBUFFERED": "1"}
    # The tools lie beside this Python, whether or not its environment is active.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    procfile = parse_procfile(Path(__file__).with_name("Procfile").read_text())
    for name, command in procfile.processes.items():
        processes.add_process(name, f"exec {command}", env=environment, cwd=str(Path(__file__).parent))
    threading.Thread(target=announce, args=(settings, password), daemon=True).start()
    processes.loop()
    # Being stopped is no failure.
    return 0 if processes.returncode in (*STOPPED, None) else processes.returncode


def announce(settings: Settings, password: str | None) -> None:
    """Say where the system is, once it answers."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    url = f"http://{host}:{settings.port}"
    give_up_s = time.monotonic() + READY_S
    while not is_ready(url):
        if time.monotonic() > give_up_s:
            print(f"hepaq is still not ready after {READY_S} s; see the lines above.", file=sys.stderr, flush=True)
            return
        time.sleep(0.1)
    lines = ["", f"  hepaq is ready: {url}", "  For research and teaching only. Not a medical device."]
    if password:
        lines += [
            f"  Log in as admin with the one-time password {password}",
            "  (shown only now; you choose your own next)",
        ]
    print("\n".join([*lines, "  Stop with Ctrl-C.", ""]), flush=True)


def is_ready(url: str) -> bool:
    """Tell whether the web server answers that it can work."""
    with suppress(OSError), urlopen(f"{url}/readyz", timeout=2):
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
