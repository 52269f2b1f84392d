"""What the fault tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.server import Server, can_start, open_server
from tests.conftest import absent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A database server of the test's own."""
    if not can_start():
        absent("mariadbd", FileNotFoundError("mariadbd"))
    with open_server(tmp_path / "db") as server:
        yield server
