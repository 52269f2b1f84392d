"""A database server of the test's own, killed without warning under load."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from shared.errors import DatabaseUnavailable
from tests.chaos.cluster import open_cluster
from tests.conftest import absent, free_port

pytestmark = pytest.mark.system
RECOVERY_S = 45


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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A fresh server with an empty database."""
    if not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")):
        absent("mariadbd", FileNotFoundError("mariadbd"))
    (tmp_path / "db").mkdir()
    server = Server(tmp_path / "db")
    server.start()
    engine = create_engine(server.url.removesuffix("hepaq"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE hepaq CHARACTER SET utf8mb4"))
    engine.dispose()
    yield server
    server.kill()


def test_a_database_killed_twice_under_load_loses_nothing(server: Server, tmp_path: Path) -> None:
    with open_cluster(tmp_path, server.url) as cluster:
        for _ in range(2):
            cluster.submit(40)
            cluster.busy_process()
            server.kill()
            time.sleep(1)
            server.start()
            with suppress(DatabaseUnavailable, OperationalError):
                cluster.unfinished()

        took_s = cluster.settle()

        cluster.assert_all_succeeded_once()
        assert took_s < RECOVERY_S
