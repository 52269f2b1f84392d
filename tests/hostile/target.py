"""A running system as an attacker reaches it, and ways to look behind it."""

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from shared.tables import artifacts, jobs, lesions, results, scans, submissions
from tests.conftest import RunningSystem
from tests.hostile.files import good_png

CANARY = "ZZPHI^TEST"
MAX_UPLOAD_BYTES = 3_000_000
DONE = ("succeeded", "failed", "dead", "cancelled")


@dataclass
class Target:
    """The system, somebody with a token, and ways to look behind it."""

    system: RunningSystem
    headers: dict[str, str]

    def submit(self, content: bytes, name: str = f"{CANARY}.png", **extra: str) -> requests.Response:
        """Upload a file in a form."""
        return self.post("/api/v1/jobs", files={"scan": (name, io.BytesIO(content))}, headers=self.headers | extra)

    def get(self, path: str, **options: Any) -> requests.Response:
        """Ask."""
        options.setdefault("headers", self.headers)
        return requests.get(self.system.url + path, timeout=30, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        """Send."""
        options.setdefault("headers", self.headers)
        return requests.post(self.system.url + path, timeout=60, **options)

    def ended(self, answer: requests.Response) -> dict[str, Any]:
        """Wait for a job's end and return it."""
        give_up_s = time.monotonic() + 60
        while time.monotonic() < give_up_s:
            job: dict[str, Any] = self.get(answer.headers["Location"]).json()
            if job["status"] in DONE:
                return job
            time.sleep(0.05)
        raise AssertionError("the job does not end")

    def rows(self) -> dict[str, int]:
        """Count what is stored of uploads and results."""
        database = self.system.database()
        with database.read() as connection:
            tables = (submissions, scans, jobs, results, artifacts, lesions)
            found = {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}
        database.close()
        return found

    def leftovers(self) -> list[str]:
        """Names of files that an upload wrote and nobody needs."""
        storage = Path(self.system.environment["DATA_DIR"]) / "storage"
        return [path.name for path in (storage / "incoming").rglob("*") if path.is_file()]

    def log(self) -> str:
        """What all processes logged."""
        return self.system.log.read_text(errors="replace")

    def assert_well(self) -> None:
        """A good scan goes through, and nothing of what came before shows in the log."""
        job = self.ended(self.submit(good_png()))
        assert job["status"] == "succeeded", job
        assert "Traceback" not in self.log()
        assert CANARY not in self.log()
