"""A decoder that a scan can break: it does what the scan's first word says, confined like the real one."""

import ctypes
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from worker.decoder import answer, serve


def obey(content: bytes, connection: Connection) -> None:
    """Do what a scan says; decode it if it says nothing."""
    if content.startswith(b"segfault"):
        ctypes.string_at(0)
    elif content.startswith(b"hang"):
        time.sleep(1000)
    elif content.startswith(b"nonsense"):
        connection.send_bytes(b'{"shape": "as you like it"}')
    elif content.startswith(b"lie"):
        connection.send_bytes(json.dumps({"shape": [64, 64], "spacing_mm": None, "format": "png"}).encode())
        connection.send_bytes(b"too little")
    elif content.startswith(b"memory"):
        with suppress(MemoryError):
            bytearray(8_000_000_000)
            os.abort()
        connection.send_bytes(json.dumps({"code": "refused", "detail": "no memory"}).encode())
    elif content.startswith(b"escape"):
        connection.send_bytes(json.dumps({"code": "tried", "detail": json.dumps(escape())}).encode())
    else:
        answer(content, connection)


def escape() -> list[str]:
    """Try to get out; return what worked."""
    worked = []
    attempts: dict[str, Callable[[], object]] = {
        "read a file": lambda: os.open("/etc/hostname", os.O_RDONLY),
        "write a file": lambda: os.open("/tmp/escaped", os.O_WRONLY | os.O_CREAT),
        "open a socket": socket.socket,
        "run a program": run_a_program,
        "read a secret": lambda: os.environ["DATABASE_URL"],
    }
    for name, attempt in attempts.items():
        with suppress(OSError, KeyError):
            attempt()
            worked.append(name)
    return worked


def run_a_program() -> None:
    """Start a program; fail if it does."""
    child = os.posix_spawn("/bin/true", ["true"], {})
    if os.waitpid(child, 0)[1]:
        raise OSError("it cannot load what it needs")


if __name__ == "__main__":
    serve(obey)
