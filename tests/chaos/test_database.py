"""A database server of the test's own, killed without warning under load."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from shared.errors import DatabaseUnavailable
from tests.chaos.cluster import open_cluster
from tests.chaos.server import Server

pytestmark = pytest.mark.system
RECOVERY_S = 45


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
