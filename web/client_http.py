"""The client's side of the API: one session a thread, patient with a busy server."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import requests

TIMEOUT_S = 60
MAX_TRIES = 6
BUSY = {429, 503, 507}


class CannotReach(Exception):
    """The server does not answer, or does not let us in; the message says what to do."""


class Service:
    """A running system."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._local = threading.local()

    def check_token(self) -> None:
        """Make sure that the server is there and knows the token.

        Raises:
            CannotReach: it is not, or does not.
        """
        answer = self._send(lambda session: session.get(f"{self.url}/api/v1/me", timeout=TIMEOUT_S))
        if answer.status_code in (401, 403):
            raise CannotReach("The server does not know the token. Make one with `make token USER=…`, set HEPAQ_TOKEN.")
        if not answer.ok:
            raise CannotReach(f"{self.url} answers {answer.status_code}; is this hepaq's address?")

    def submit(self, content: bytes, *, label: str | None) -> dict[str, Any]:
        """Upload one scan; return the job, or the problem document of a refusal."""
        # The same key at every try: an answer that got lost does not make a second job.
        key = uuid4().hex
        fields = {"label": label} if label else {}

        def send(session: requests.Session) -> requests.Response:
            return session.post(
                f"{self.url}/api/v1/jobs",
                files={"scan": ("scan", content)},
                data=fields,
                headers={"Idempotency-Key": key},
                timeout=TIMEOUT_S,
            )

        answer = self._send(send)
        document = json_of(answer)
        return (
            document if answer.ok else {"detail": document.get("detail", f"The server answers {answer.status_code}.")}
        )

    def read_many(self, ids: list[str]) -> list[dict[str, Any]]:
        """Return jobs by their ids.

        Raises:
            CannotReach: the server does not answer as it should.
        """
        return self._ask_for("jobs", ids)

    def read_statuses(self, ids: list[str]) -> list[dict[str, Any]]:
        """Return how jobs stand, by their ids.

        Raises:
            CannotReach: the server does not answer as it should.
        """
        return self._ask_for("jobs/status", ids)

    def _ask_for(self, path: str, ids: list[str]) -> list[dict[str, Any]]:
        answer = self._send(
            lambda session: session.get(f"{self.url}/api/v1/{path}", params={"ids": ",".join(ids)}, timeout=TIMEOUT_S)
        )
        if not answer.ok:
            raise CannotReach(f"{self.url} answers {answer.status_code} to a question about jobs.")
        return list(json_of(answer)["jobs"])

    def _send(self, request: Callable[[requests.Session], requests.Response]) -> requests.Response:
        for attempt in range(MAX_TRIES):
            try:
                answer = request(self._session())
            except requests.RequestException as error:
                if attempt == MAX_TRIES - 1:
                    raise CannotReach(f"{self.url} does not answer. Is hepaq running there? (`make run`)") from error
                time.sleep(0.2 * 2**attempt)
                continue
            if answer.status_code not in BUSY or attempt == MAX_TRIES - 1:
                return answer
            time.sleep(min(30.0, float(answer.headers.get("Retry-After", 1))))
        raise AssertionError("unreachable")

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.headers["Authorization"] = f"Bearer {self.token}"
        session: requests.Session = self._local.session
        return session


def json_of(answer: requests.Response) -> dict[str, Any]:
    """Return an answer's document; an empty one if it is none."""
    try:
        document: dict[str, Any] = answer.json()
    except ValueError:
        return {}
    return document
