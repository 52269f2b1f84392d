"""Decode scans in a confined process: what breaks a decoder, or takes it over, ends there.

The scans come from strangers and the decoders are large pieces of C. The process has no environment, no connection and
no way to open one (`worker.decoder`); when it dies or hangs, the scan at fault fails, and the worker goes on with a
new one.
"""

import json
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from models.errors import InvalidScan
from models.grid import Grid
from models.scan_type import MAX_SIDE_PX, Scan
from models.volume_type import Volume, check_volume_size
from worker.decoder import READY

logger = logging.getLogger(__name__)
Read = TypeVar("Read")

ROOT = Path(__file__).parents[1]
DECODE_TIMEOUT_S = 30.0
# A volume is read whole before its first slice comes.
VOLUME_PATIENCE = 6
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
            # A process that hangs must not hang us, however little it has left to say.
            self.bound(ours, self.timeout_s)
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, str(theirs.fileno())],
                cwd=ROOT,
                env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self.connection = Connection(ours.detach())
        self.is_ready = False
        self.slices_due = 0

    def bound(self, ours: socket.socket, timeout_s: float) -> None:
        """Bound the time that each message may take."""
        limit = struct.pack("@ll", int(timeout_s), int(timeout_s % 1 * 1e6))  # seconds, microseconds
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, limit)

    def close(self) -> int:
        """End the process; return its exit status."""
        self.connection.close()
        self.process.kill()
        return self.process.wait()

    def read_scan(self, content: bytes) -> Scan:
        """Read a slice as `models.scan.read_scan` does.

        Raises:
            InvalidScan: it cannot be used, takes too long, or kills every process that decodes it.
            DecoderUnavailable: no process can be started; the scan is not to blame.
        """
        return self.tried(content, self.take_scan)

    def read_volume(self, content: bytes) -> Volume:
        """Read a volume as `models.scan.read_volume` does; its slices come as they are asked for.

        Whoever does not want all of them says so with `drop_rest`.

        Raises:
            InvalidScan, DecoderUnavailable: as `read_scan`.
        """
        return self.tried(content, self.take_volume, patience=VOLUME_PATIENCE)

    def drop_rest(self) -> None:
        """Give up slices that were not asked for, by starting a new process; does nothing if there are none."""
        if self.slices_due:
            self.close()
            self.start()

    def tried(self, content: bytes, take: Callable[[dict[str, Any]], Read], *, patience: int = 1) -> Read:
        """Have a scan read, again if the process dies."""
        for _ in range(TRIES):
            self.await_ready()
            try:
                with socket.socket(fileno=os.dup(self.connection.fileno())) as ours:
                    self.bound(ours, self.timeout_s * patience)
                return self.ask(content, take)
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

    def ask(self, content: bytes, take: Callable[[dict[str, Any]], Read]) -> Read:
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
            return take(said)
        except (ValueError, TypeError, KeyError) as error:
            # Whatever the process has become, it does not get further than this.
            raise DecoderDied from error

    def take_scan(self, said: dict[str, Any]) -> Scan:
        """Return the slice that a header tells of.

        Raises:
            ValueError, TypeError, KeyError: it tells of none.
        """
        height, width = (int(side) for side in said["shape"])
        pixels = np.frombuffer(self.connection.recv_bytes(MAX_SIDE_PX**2), np.uint8).reshape(height, width)
        return Scan(
            pixels, spacing_of(said), str(said["format"]), bool(said["calibrated"]), tuple(map(str, said["warnings"]))
        )

    def take_volume(self, said: dict[str, Any]) -> Volume:
        """Return the volume that a header tells of.

        Raises:
            ValueError, TypeError, KeyError, InvalidScan: it tells of none.
        """
        affine = np.array(said["grid"]["affine"], np.float64).reshape(4, 4)
        grid = Grid(tuple(int(n) for n in said["grid"]["shape"]), tuple(map(tuple, affine.tolist())))
        check_volume_size(*grid.shape_zyx)
        distance_mm = said["slice_distance_mm"]
        self.slices_due = grid.shape_zyx[0]
        return Volume(
            self.slices_of(grid),
            grid,
            spacing_of(said),
            None if distance_mm is None else float(distance_mm),
            str(said["format"]),
            tuple(map(str, said["warnings"])),
        )

    def slices_of(self, grid: Grid) -> Iterator[np.ndarray]:
        """Yield the slices of the volume that was read last, (H, W) uint8.

        Raises:
            DecoderUnavailable: the process ended meanwhile; it had read everything, so the scan is not to blame.
        """
        count, height, width = grid.shape_zyx
        for left in range(count, 0, -1):
            try:
                pixels = np.frombuffer(self.connection.recv_bytes(height * width), np.uint8).reshape(height, width)
            except (ValueError, EOFError, OSError) as error:
                raise DecoderUnavailable("The process that decodes ended before the volume did.") from error
            self.slices_due = left - 1
            yield pixels


def spacing_of(said: dict[str, Any]) -> tuple[float, float] | None:
    """Return the pixel spacing that a header tells of, if any."""
    return said["spacing_mm"] and (float(said["spacing_mm"][0]), float(said["spacing_mm"][1]))
