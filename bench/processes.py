"""Processes: started, ended, and weighed with all their descendants."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

STOP_S = 15


@contextmanager
def running(command: list[str], *, log: Path, env: dict[str, str], cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own; end it and what it started, politely, then by force."""
    with open(log, "ab") as output:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        family = family_of(process.pid)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        for member in family:
            with suppress(psutil.Error):
                member.kill()
        process.wait()


def family_of(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def cpu_seconds(processes: list[psutil.Process]) -> dict[int, float]:
    """Return the CPU seconds each process has used so far."""
    used = {}
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            used[process.pid] = times.user + times.system
    return used


def free_port() -> int:
    """Return a port nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes], *, log: Path, timeout_s: float = 120) -> None:
    """Return once a page is served, or at least refused in HTTP.

    Raises:
        RuntimeError: the process ended, or the time is over.
    """
    give_up_s = time.monotonic() + timeout_s
    while time.monotonic() < give_up_s and process.poll() is None:
        try:
            urlopen(url, timeout=2).close()
            return
        except HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass  # not listening yet
        time.sleep(0.02)
    raise RuntimeError(f"{url} does not answer\n{log.read_text()[-3000:]}")


def environment_for(root: Path, **more: str) -> dict[str, str]:
    """Return the environment of a measured process: one thread per numerical library, our packages importable."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return os.environ | one_thread | {"PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1"} | more
