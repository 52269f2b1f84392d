"""A mariadbd of our own, which may be killed without warning."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.conftest import free_port


class Server:
    """A mariadbd that can be killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"mysql+pymysql://root@127.0.0.1:{self.port}/hepaq"
        self.process: subprocess.Popen[bytes] | None = None
        common = ["--no-defaults", f"--datadir={folder}", "--user=root"]
        install = ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.command = [
            "mariadbd", *common, f"--port={self.port}", f"--socket={folder / 's'}", "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=1",
        ]  # fmt: skip

    def start(self) -> None:
        """Start and wait until it answers."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        give_up_s = time.monotonic() + 60
        while time.monotonic() < give_up_s:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        raise AssertionError("the database server does not come up")

    def kill(self) -> None:
        """Kill without warning."""
        assert self.process
        self.process.kill()
        self.process.wait()


def can_start() -> bool:
    """Tell whether this machine has a mariadbd."""
    return bool(shutil.which("mariadbd") and shutil.which("mariadb-install-db"))


@contextmanager
def open_server(folder: Path) -> Iterator[Server]:
    """Start a fresh server with an empty schema, and end it."""
    folder.mkdir()
    server = Server(folder)
    server.start()
    engine = create_engine(server.url.removesuffix("hepaq"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE hepaq CHARACTER SET utf8mb4"))
    engine.dispose()
    try:
        yield server
    finally:
        server.kill()
