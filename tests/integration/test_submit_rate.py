"""Nobody floods the system: more scans a minute than allowed are refused, and only those."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.errors import TooMany
from shared.settings import load_settings
from web import create_app
from web.context import Context
from web.submit_rate import SubmitRate


@pytest.fixture
def client(settings: Any, context: Context) -> FlaskClient:
    """A program at an application that takes three scans a minute."""
    environment = {
        "DATA_DIR": str(settings.data_dir), "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url,
        "MAX_SCANS_PER_MIN": "3",
    }  # fmt: skip
    return create_app(load_settings(environment)).test_client()


def send(client: FlaskClient, headers: dict[str, str], content: bytes, scans: int = 1) -> Any:
    files = [(BytesIO(content), "x.png") for _ in range(scans)]
    return client.post("/api/v1/jobs", data={"scan": files}, headers=headers)


def test_the_fourth_scan_within_a_minute_waits(
    client: FlaskClient, ann: dict[str, str], make_token: Callable[..., dict[str, str]], scan_png: bytes
) -> None:
    taken = [send(client, ann, scan_png).status_code for _ in range(3)]
    refused = send(client, ann, scan_png)

    assert taken == [202] * 3
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert send(client, make_token("eve"), scan_png).status_code == 202
    assert len(client.get("/api/v1/jobs", headers=ann).json["jobs"]) == 3


def test_scans_count_not_requests(client: FlaskClient, ann: dict[str, str], scan_png: bytes) -> None:
    assert send(client, ann, scan_png, scans=2).status_code == 202
    assert send(client, ann, scan_png, scans=2).status_code == 429
    assert send(client, ann, scan_png, scans=1).status_code == 202


def test_nought_is_no_limit() -> None:
    rate = SubmitRate(0)
    for _ in range(10_000):
        rate.count("ann", 200)


def test_users_count_alone() -> None:
    rate = SubmitRate(2)
    rate.count("ann", 2)
    rate.count("bob", 2)
    with pytest.raises(TooMany):
        rate.count("ann", 1)
