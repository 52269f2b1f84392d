"""Decode scans in a confined process: what breaks a decoder, or takes it over, ends there.

The scans come from strangers and the decoders are large pieces of C. The process has no environment, no connection and
no way to open one (`worker.decoder`); when it dies or hangs, the scan at fault fails, and the worker goes on with a
new one.
"""

import json
import logging
import socket
import struct
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InvalidScan
from models.scan_type import MAX_SIDE_PX, Scan
from worker.decoder import READY

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
DECODE_TIMEOUT_S = 30.0
MAX_HEADER_BYTES = 64 * 1024
TRIES = 2


class DecoderDied(Exception):
    """The process answered nonsense."""


class DecoderUnavailable(Exception):
    """No process that decodes can be started here."""


class Sandbox:
    """A confined process that reads scans, one at a time; started again when it dies."""

    def __init__(self, *, module: str = "worker.decoder", timeout_s: float = DECODE_TIMEOUT_S) -> None:
        self.module = module
        self.timeout_s = timeout_s
        self.start()

    def start(self) -> None:
        """Start a decoder that inherits nothing but its end of a socket."""
        ours, theirs = socket.socketpair()
        with theirs:
            # Seconds, microseconds: a process that hangs must not hang us, however little it has left to say.
            limit = struct.pack("@ll", int(self.timeout_s), int(self.timeout_s % 1 * 1e6))
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, str(theirs.fileno())],
                cwd=ROOT,
                env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self.connection = Connection(ours.detach())
        self.is_ready = False

    def close(self) -> int:
        """End the process; return its exit status."""
        self.connection.close()
        self.process.kill()
        return self.process.wait()

    def read_scan(self, content: bytes) -> Scan:
        """Read a scan as `models.scan.read_scan` does.

        Raises:
            InvalidScan: it cannot be used, takes too long, or kills every process that decodes it.
            DecoderUnavailable: no process can be started; the scan is not to blame.
        """
        for _ in range(TRIES):
            self.await_ready()
            try:
                return self.ask(content)
            except BlockingIOError as error:
                logger.warning("decoder hung status=%d", self.close())
                self.start()
                detail = "The file takes too long to read; please export it again."
                raise InvalidScan("unreadable_file", detail) from error
            except (DecoderDied, EOFError, OSError):
                # Once may be chance: the system takes memory where it can.
                logger.warning("decoder died status=%d", self.close())
                self.start()
        raise InvalidScan("unreadable_file", "The file breaks the program that reads it; please export it again.")

    def await_ready(self) -> None:
        """Wait for a new process to be ready.

        Raises:
            DecoderUnavailable: it does not get so far; the next call finds a new one.
        """
        if self.is_ready:
            return
        try:
            self.is_ready = self.connection.recv_bytes(MAX_HEADER_BYTES) == READY
        except (EOFError, OSError) as error:
            status = self.close()
            self.start()
            raise DecoderUnavailable(f"The process that decodes does not start, status {status}.") from error

    def ask(self, content: bytes) -> Scan:
        """Send a scan and take the answer.

        Raises:
            InvalidScan: the scan cannot be used.
            DecoderDied: the answer makes no sense.
            BlockingIOError: none comes in time.
            EOFError, OSError: the process is gone.
        """
        self.connection.send_bytes(content)
        header = self.connection.recv_bytes(MAX_HEADER_BYTES)
        try:
            said = json.loads(header)
            if "code" in said:
                raise InvalidScan(str(said["code"]), str(said["detail"]))
            return to_scan(said, self.connection.recv_bytes(MAX_SIDE_PX**2))
        except (ValueError, TypeError, KeyError) as error:
            # Whatever the process has become, it does not get further than this.
            raise DecoderDied from error


def to_scan(said: dict[str, Any], pixels: bytes) -> Scan:
    """Return the scan that a header tells of.

    Raises:
        ValueError, TypeError, KeyError: it tells of none.
    """
    height, width = (int(side) for side in said["shape"])
    spacing_mm = said["spacing_mm"] and (float(said["spacing_mm"][0]), float(said["spacing_mm"][1]))
    return Scan(
        np.frombuffer(pixels, np.uint8).reshape(height, width),
        spacing_mm,
        str(said["format"]),
        bool(said["calibrated"]),
        tuple(str(code) for code in said["warnings"]),
    )
