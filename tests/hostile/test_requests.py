"""Hostile requests over HTTP: broken bodies, forged identities, names, verbs, numbers. Numbers are the rows' own."""

import io
import json
import re
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests

from shared.queue import make_celery
from tests.hostile.files import encoded, good_png
from tests.hostile.target import CANARY, MAX_UPLOAD_BYTES, Target

pytestmark = pytest.mark.system

row = pytest.mark.row
JOBS = "/api/v1/jobs"


def raw(target: Target, request: bytes, *, end: bool = False, timeout_s: float = 20) -> bytes:
    """Send bytes as they are; return the answer's beginning."""
    url = urlsplit(target.system.url)
    with socket.create_connection((url.hostname, url.port), timeout=timeout_s) as connection:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
        try:
            return connection.recv(65536)
        except (ConnectionResetError, TimeoutError):
            return b""


def head(target: Target, *lines: str, method: str = "POST", path: str = JOBS) -> bytes:
    """A request's head, with the token."""
    given = [f"{method} {path} HTTP/1.1", "Host: hepaq", f"Authorization: {target.headers['Authorization']}", *lines]
    return ("\r\n".join(given) + "\r\n\r\n").encode()


def code_of(answer: requests.Response) -> tuple[int, str]:
    """Status and stable code."""
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def session(target: Target) -> requests.Session:
    """Somebody logged in with a browser."""
    session = requests.Session()
    log_in(target, session, target.system.admin_name, target.system.admin_password)
    yield session
    session.close()


def form_token(text: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', text)
    assert found
    return found[1]


def log_in(target: Target, session: requests.Session, name: str, password: str, **fields: str) -> requests.Response:
    token = form_token(session.get(f"{target.system.url}/login").text)
    data = {"name": name, "password": password, "csrf_token": token} | fields
    return session.post(f"{target.system.url}/login", data=data, allow_redirects=False)


@row(1)
def test_no_file(target: Target) -> None:
    assert code_of(target.post(JOBS)) == (400, "file_missing")
    assert code_of(target.post(JOBS, files={"label": (None, "x")})) == (400, "file_missing")


@row(2)
@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=b"])
def test_a_broken_form(target: Target, kind: str) -> None:
    body = b"--b\r\nContent-Disposition: form-data; name=scan; filename=a.png\r\n\r\n" + good_png()[:1000]

    assert code_of(target.post(JOBS, data=body, headers=target.headers | {"Content-Type": kind})) == (
        400,
        "bad_multipart",
    )


@row(4)
def test_too_long_by_its_own_word_is_refused_unread(target: Target) -> None:
    began_s = time.monotonic()
    answer = raw(target, head(target, "Content-Type: image/png", f"Content-Length: {10**12}"))

    assert b" 413 " in answer
    assert time.monotonic() - began_s < 5


@row(5)
def test_too_long_in_chunks_is_refused(target: Target) -> None:
    limit = MAX_UPLOAD_BYTES * 4 + 2**20

    content = [good_png()]

    def chunks() -> Any:
        for _ in range(limit // 100_000 + 20):
            yield content.pop() if content else b"x" * 100_000

    try:
        answer = target.post(JOBS, data=chunks(), headers=target.headers | {"Content-Type": "image/png"})
    except requests.ConnectionError:
        pass  # closed in the midst of it, which says no too
    else:
        assert code_of(answer) == (413, "too_large")
    assert target.leftovers() == []


@row(5)
def test_a_scan_over_the_limit_is_refused(target: Target) -> None:
    assert code_of(target.submit(b"BM" + b"\0" * (MAX_UPLOAD_BYTES + 1)))[0] in (413, 422)
    big = good_png() + b"\0" * MAX_UPLOAD_BYTES
    assert code_of(target.submit(big)) == (413, "too_large")


@row(6)
@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=b"])
def test_a_body_shorter_than_its_word_makes_no_job(target: Target, kind: str) -> None:
    before = target.rows()
    body = b'--b\r\nContent-Disposition: form-data; name="scan"; filename="a"\r\n\r\n' + good_png()
    sent = good_png()[:2000] if kind == "image/png" else body[:2000]

    raw(target, head(target, f"Content-Type: {kind}", "Content-Length: 100000") + sent, end=True)

    assert target.rows() == before
    assert target.leftovers() == []


@row(7)
def test_slow_senders_stop_nobody_else(target: Target) -> None:
    """More connections that say nothing more than there are threads."""
    url = urlsplit(target.system.url)
    slow = [socket.create_connection((url.hostname, url.port)) for _ in range(24)]
    for connection in slow:
        connection.sendall(head(target, "Content-Length: 100000")[:60])
    began_s = time.monotonic()
    try:
        answer = requests.get(f"{target.system.url}/livez", timeout=60)
    finally:
        for connection in slow:
            connection.close()

    assert answer.status_code == 200
    assert time.monotonic() - began_s < 45


@row(8)
def test_two_thousand_parts(target: Target) -> None:
    fields: dict[str, Any] = {f"f{n}": (None, "x") for n in range(2000)}

    assert target.post(JOBS, files=fields).status_code == 413


@row(9)
def test_a_huge_text_field_and_a_huge_login(target: Target) -> None:
    assert target.post(JOBS, files={"label": (None, "x" * 1_000_000)}).status_code == 413
    assert requests.post(f"{target.system.url}/login", data={"name": "x" * 20_000_000}, timeout=60).status_code == 413


@row(10)
def test_two_files_are_two_jobs(target: Target) -> None:
    two = [("scan", ("a.png", good_png())), ("scan", ("b.png", good_png()))]

    assert len(target.post(JOBS, files=two).json()["jobs"]) == 2
    assert code_of(target.post(JOBS, files=[*two, ("sc", ("c.png", b"x"))])) == (400, "unknown_field")


@row(11, 13, 14, 15, 16, 17)
@pytest.mark.parametrize(
    "name",
    [
        f"{CANARY}.exe",
        f"{CANARY}.dcm.html",
        f"{CANARY}. ",
        f"{CANARY}\0.png",
        f"../../etc/{CANARY}",
        f"/etc/{CANARY}",
        f"..\\{CANARY}",
        f"\\\\server\\{CANARY}",
        "CON",
        CANARY + "x" * 5000,
        f"\u202e{CANARY}",
        f"{CANARY}\r\nSet-Cookie: a=b",
        f"🩻{CANARY}",
        f'"><img src=x onerror=alert(1)>{CANARY}.dcm',
        f"Müller_Hans_1960_{CANARY}.dcm",
    ],
)
def test_a_file_name_changes_nothing_and_is_told_nowhere(target: Target, name: str) -> None:
    answer = target.submit(good_png(), name)

    assert answer.status_code == 202, answer.text
    page = target.get(answer.headers["Location"])
    assert CANARY not in answer.text + str(answer.headers) + page.text
    assert CANARY not in target.log()


@row(13)
def test_a_raw_name_with_nul_and_broken_bytes(target: Target) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="scan"; filename="a\0\xff\xfe.png"\r\n\r\n'
        + good_png() + b"\r\n--b--\r\n"
    )  # fmt: skip
    headers = target.headers | {"Content-Type": "multipart/form-data; boundary=b"}

    assert target.post(JOBS, data=body, headers=headers).status_code in (202, 400)


@row(15, 16)
def test_a_label_is_text(target: Target, session: requests.Session) -> None:
    label = '\u202e"><img src=x onerror=alert(1)>\r\n'
    files = {"scan": ("a.png", good_png()), "label": (None, label)}
    job = target.post(JOBS, files=files).json()

    page = session.get(f"{target.system.url}/jobs/{job['id']}").text

    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert code_of(target.post(JOBS, files=files | {"label": (None, "x" * 200)})) == (400, "label_too_long")


@row(46)
def test_the_same_bytes_twice(target: Target) -> None:
    content = encoded(np.tile(np.arange(256, dtype=np.uint8), (256, 1)), "PNG")
    first, second = target.submit(content), target.submit(content)
    keyed = [target.submit(content, **{"Idempotency-Key": "row-46"}) for _ in range(2)]

    assert first.json()["id"] != second.json()["id"]
    assert [answer.status_code for answer in keyed] == [202, 200]
    assert keyed[0].json()["id"] == keyed[1].json()["id"]
    assert code_of(target.submit(good_png(), **{"Idempotency-Key": "row-46"})) == (409, "idempotency_key_reused")


@row(47)
@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer " + "x" * 5000, "bearer \0"])
def test_a_stranger(target: Target, token: str) -> None:
    headers = {"Authorization": token} if token.isprintable() else {}

    assert target.post(JOBS, files={"scan": ("a", good_png())}, headers=headers).status_code == 401
    assert target.get(JOBS, headers=headers).status_code == 401
    page = requests.get(f"{target.system.url}/jobs", headers=headers, allow_redirects=False, timeout=30)
    assert (page.status_code, urlsplit(page.headers["Location"]).path) == (302, "/login")


@pytest.fixture(scope="module")
def stranger(target: Target) -> dict[str, str]:
    """Another user's token."""
    made = target.system.command(
        "-m", "flask", "--app", "web", "create-user", "eve", "--password", "another long password"
    )
    assert made.returncode == 0, made.stderr
    done = target.system.command("-m", "flask", "--app", "web", "create-token", "eve")
    return {"Authorization": f"Bearer {done.stdout.strip()}"}


@row(48)
def test_another_users_job_does_not_exist(target: Target, stranger: dict[str, str]) -> None:
    job = target.ended(target.submit(good_png()))
    for name in ("", "/mask.png", "/original", "/overlay.png", "/result.json", "/result.csv", "/preview.jpg"):
        foreign = target.get(f"{JOBS}/{job['id']}{name}", headers=stranger)
        unknown = target.get(f"{JOBS}/{'0' * 26}{name}", headers=stranger)
        assert (foreign.status_code, foreign.json()["detail"]) == (404, unknown.json()["detail"])
    assert target.get(f"{JOBS}?ids={job['id']}", headers=stranger).json()["jobs"] == []


@row(49)
@pytest.mark.parametrize(
    "made_up", ["1 OR 1=1", "%00", "x" * 3000, "\u0660" * 26, "..%2f..%2fetc%2fpasswd", "-1", "NaN"]
)
def test_what_is_no_id(target: Target, made_up: str) -> None:
    assert target.get(f"{JOBS}/{made_up}").status_code == 404


@row(50)
def test_a_form_from_elsewhere(target: Target, session: requests.Session) -> None:
    url = target.system.url
    for token in ("", "forged"):
        assert session.post(f"{url}/account/name", data={"name": "evil", "csrf_token": token}).status_code == 400
    as_json = session.post(f"{url}{JOBS}", data=json.dumps({}), headers={"Content-Type": "text/plain"})
    assert code_of(as_json) == (400, "csrf")
    files = {"scan": ("a.png", good_png())}
    assert code_of(session.post(f"{url}{JOBS}", files=files, headers={"Origin": "https://evil.example"})) == (
        400,
        "csrf",
    )


@row(51)
def test_sessions_cannot_be_planted_changed_or_used_again(target: Target) -> None:
    url, browser = target.system.url, requests.Session()
    planted = browser.get(f"{url}/login").cookies["session"]
    log_in(target, browser, target.system.admin_name, target.system.admin_password)
    issued = browser.cookies["session"]
    changed = issued[:-3] + ("abc" if issued[-3:] != "abc" else "xyz")

    def reaches(cookie: str) -> bool:
        answer = requests.get(f"{url}/account", cookies={"session": cookie}, allow_redirects=False, timeout=30)
        return answer.status_code == 200

    assert issued != planted
    assert (reaches(issued), reaches(planted), reaches(changed)) == (True, False, False)
    browser.post(f"{url}/logout", data={"csrf_token": form_token(browser.get(f"{url}/account").text)})
    assert not reaches(issued)


@row(54)
def test_absurd_passwords(target: Target) -> None:
    for password in ("x" * 900_000, "a\0b", "🩻" * 200):
        began_s = time.monotonic()
        answer = log_in(target, requests.Session(), "nobody", password)
        assert answer.status_code in (400, 401)
        assert time.monotonic() - began_s < 5


@row(55)
@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "javascript:alert(1)", "/\\evil.example"])
def test_a_login_leads_nowhere_else(target: Target, wanted: str) -> None:
    answer = log_in(target, requests.Session(), target.system.admin_name, target.system.admin_password, next=wanted)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


@row(56)
def test_forged_forwarding_is_not_believed(target: Target) -> None:
    forged = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    answer = requests.get(f"{target.system.url}/jobs", headers=forged, allow_redirects=False, timeout=30)

    assert "evil.example" not in str(answer.headers)
    assert "192.0.2.7" not in target.log()


@row(57)
def test_no_log_line_is_forged(target: Target) -> None:
    log_in(target, requests.Session(), "${jndi:ldap://x}\r\n2026 CRITICAL forged", "x" * 20)
    requests.get(f"{target.system.url}/x%0d%0aforged%1b[31m", headers={"User-Agent": "forged\x1b[31m"}, timeout=30)

    assert not re.search(r"forged|jndi|\x1b\[31m.*forged", target.log())


@row(58)
def test_other_verbs(target: Target) -> None:
    url = target.system.url
    for method, path in (
        ("PUT", JOBS),
        ("PATCH", JOBS),
        ("DELETE", JOBS),
        ("GET", "/logout"),
        ("TRACE", "/"),
        ("BREW", "/"),
    ):
        assert requests.request(method, url + path, headers=target.headers, timeout=30).status_code in (405, 501), (
            method
        )
    job = target.submit(good_png()).json()["id"]
    assert target.get(f"{JOBS}/{job}", params={"_method": "DELETE"}).status_code == 200
    overridden = target.headers | {"X-HTTP-Method-Override": "DELETE"}
    assert target.get(f"{JOBS}/{job}", headers=overridden).status_code == 200


@row(59)
def test_nothing_can_be_set_that_is_not_asked_for(target: Target) -> None:
    for field in ("status", "is_admin", "user_id"):
        files = {"scan": ("a.png", good_png()), field: (None, "succeeded")}
        assert code_of(target.post(JOBS, files=files)) == (400, "unknown_field")
    deep = "[" * 10_000
    for body in (deep, '{"a": NaN}', '{"a": 1e400}', '{"a": 1, "a": 2}'):
        answer = target.post(JOBS, data=body, headers=target.headers | {"Content-Type": "application/json"})
        assert answer.status_code in (400, 415)


@row(60)
@pytest.mark.parametrize("query", ["limit=1000000000", "limit=-1", "limit=NaN", "status=anything", "cursor=%00", "x=1"])
def test_absurd_questions(target: Target, query: str) -> None:
    answer = target.get(f"{JOBS}?{query}")

    assert answer.status_code in (200, 422)
    assert len(answer.json().get("jobs", [])) <= 100


@row(60)
def test_a_flood_of_questions_is_answered(target: Target) -> None:
    job = target.ended(target.submit(good_png()))
    first = target.get(f"{JOBS}/{job['id']}")
    etag = target.headers | {"If-None-Match": first.headers["ETag"]}

    with requests.Session() as session:
        seen = {session.get(f"{target.system.url}{JOBS}/{job['id']}", headers=etag).status_code for _ in range(300)}

    assert seen == {304}


@row(61)
def test_cancelling(target: Target, stranger: dict[str, str]) -> None:
    job = target.ended(target.submit(good_png()))["id"]

    assert target.post(f"{JOBS}/{job}/cancel").status_code == 409
    assert target.post(f"{JOBS}/{job}/cancel", headers=stranger).status_code == 404


@row(65)
def test_nothing_here_calls_out(target: Target) -> None:
    """There are no webhooks: a field that would name one is refused."""
    for url in ("http://127.0.0.1/", "http://169.254.169.254/latest", "gopher://x", "http://[::]/"):
        files = {"scan": ("a.png", good_png()), "callback_url": (None, url)}
        assert code_of(target.post(JOBS, files=files)) == (400, "unknown_field")


@row(66)
def test_no_patient_in_what_is_kept_of_a_dicom_file(target: Target) -> None:
    from tests.hostile.files import dicom, setter

    answer = target.submit(dicom(setter(PatientName=CANARY, InstitutionName=CANARY, BurnedInAnnotation="YES")))
    job = target.ended(answer)

    assert CANARY.encode() not in target.get(f"{JOBS}/{job['id']}/original").content
    assert "burned_in_text" in job["result"]["warnings"]
    assert CANARY not in target.log()


@row(67)
def test_a_picture_is_whole_or_not_there(target: Target) -> None:
    answer = target.submit(good_png())
    path = f"{answer.headers['Location']}/mask.png"
    seen = []
    while not seen or seen[-1].status_code == 404:
        seen.append(target.get(path))
        assert len(seen) < 600
    target.ended(answer)
    requests.delete(f"{target.system.url}{answer.headers['Location']}", headers=target.headers, timeout=30)

    assert seen[-1].content.endswith(b"IEND\xaeB`\x82")
    assert {found.status_code for found in seen} <= {200, 404}
    assert target.get(path).status_code == 404


@row(68)
@pytest.mark.parametrize(
    "wanted", ["bytes=0-0" + ",0-0" * 1000, "bytes=5-1", "bytes=-0", "lines=1-2", "bytes=0-99999999999"]
)
def test_absurd_ranges(target: Target, wanted: str) -> None:
    job = target.ended(target.submit(good_png()))
    for name in ("mask.png", "original"):
        answer = target.get(f"{JOBS}/{job['id']}/{name}", headers=target.headers | {"Range": wanted})
        assert answer.status_code in (200, 206, 416)
        assert len(answer.content) <= 10 * len(good_png())


@row(69)
def test_an_upload_is_never_shown_inside_a_page(target: Target) -> None:
    job = target.ended(target.submit(good_png()))

    headers = target.get(f"{JOBS}/{job['id']}/original").headers

    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


@row(62)
def test_more_than_a_quota(target: Target) -> None:
    many = [("scan", (f"{n}.png", good_png())) for n in range(201)]

    assert code_of(target.post(JOBS, files=many)) == (400, "too_many_files")
    assert target.rows()["jobs"] < 5000


@row(53)
def test_a_known_name_takes_no_longer(target: Target) -> None:
    """Coarse over HTTP; `tests/unit/test_accounts.py` measures it finely."""
    took: dict[str, list[float]] = {"admin": [], "nobody-of-this-name": []}
    for _ in range(2):
        for name, seconds in took.items():
            began_s = time.monotonic()
            log_in(target, requests.Session(), name, "not the password")
            seconds.append(time.monotonic() - began_s)
    known, unknown = (min(seconds) for seconds in took.values())

    assert abs(known - unknown) < 0.3


# Last, for afterwards nobody logs in from here for a minute.
@row(52, 70)
def test_a_thousand_wrong_passwords(target: Target) -> None:
    answers: list[requests.Response] = []

    def guess(number: int) -> None:
        session = requests.Session()
        session.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        answers.append(log_in(target, session, "admin", f"guess number {number}"))

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if answer.status_code == 429]

    assert len(refused) >= 34
    assert all(int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    target.assert_well()


def test_the_log_holds_no_fault(target: Target) -> None:
    assert "Traceback" not in target.log()
    assert target.leftovers() == []
    assert io.StringIO(target.log()).readline()


# After the look at the log, into which Celery writes what it cannot make sense of.
@row(63)
def test_forged_messages(target: Target) -> None:
    environment = target.system.environment
    app = make_celery(f"unix://{environment['DATA_DIR']}/redis.sock")
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        queue = app.amqp.queues["infer"](channel)
        for body, kind in (
            (b"\x80\x04\x95cos\nsystem\n", "application/x-python-serialize"),
            (b'{"path": "/etc/passwd"}', "application/json"),
            (b"[[{}], {}, {}]", "application/json"),
            (b"x" * 1_000_000, "text/plain"),
        ):
            message = channel.prepare_message(
                body.decode("latin-1"), content_type=kind, content_encoding="utf-8",
                headers={"task": "hepaq.analyse", "id": "x"}, properties={"delivery_info": {}},
            )  # fmt: skip
            channel.basic_publish(message, exchange="", routing_key=queue.name)

    assert target.ended(target.submit(good_png()))["status"] == "succeeded"
