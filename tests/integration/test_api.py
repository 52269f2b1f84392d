"""The API, over a real database and storage."""

import io
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select, update

from shared.database import now_ms
from shared.identifiers import new_id
from shared.jobs.claim import claim_due
from shared.jobs.finish import Outcome, fail, succeed
from shared.tables import jobs, scans
from web.api.schemas import JobListSchema, JobStatusesSchema, JobStatusSchema
from web.context import Context

Headers = dict[str, str]
REPORT = {
    "lesions": [
        {
            "id": 1, "bbox": [10, 20, 30, 40], "area_px": 900, "area_mm2": None, "centroid": [25.0, 40.0],
            "longest_diameter_px": 50.0, "short_axis_px": 30.0, "longest_diameter_mm": None, "short_axis_mm": None,
            "confidence": 0.9,
        }
    ],
    "stage_note": "A note.", "liver_area_mm2": None, "tumor_area_mm2": None, "width_px": 128, "height_px": 128,
    "spacing_mm": None, "calibrated": False, "scope": "slice", "warnings": [], "preprocessing": {}, "seconds": {},
}  # fmt: skip
RESULT = {
    "tumor_detected": True, "confidence": 0.9, "stage": "II", "stage_rule": "bbox-128", "affected_percent": 3.5,
    "lesion_count": 1, "liver_area_px": 1000, "tumor_area_px": 35, "model_name": "m", "model_version": "1",
    "model_sha256": "0" * 64, "code_version": "0", "input_sha256": "1" * 64, "mask_sha256": "2" * 64,
    "report": REPORT,
}  # fmt: skip
# Any bytes will do: what is tested is who may have them.
PICTURES = [
    {"kind": kind, "media_type": "image/png", "content": b"picture", "content_sha256": "3" * 64}
    for kind in ("mask", "preview", "thumbnail", "probability", "uncertainty")
]


def post(client: FlaskClient, headers: Headers, *contents: bytes, **fields: str):
    data = {"scan": [(io.BytesIO(content), "Müller_Hans.png") for content in contents], **fields}
    return client.post("/api/v1/jobs", headers=headers, data=data)


def count(context: Context, table) -> int:
    with context.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


SLICES = [{"number": 1, "preview": b"picture", "mask": b"picture"}]


def finish_next(context: Context, *, error: str | None = None) -> None:
    def work(connection) -> None:
        (claim,) = claim_due(connection, "w", limit=1, lease_s=30, deadline_s=60)
        if error:
            fail(connection, claim, code=error, detail="It cannot be read.", actor="w")
        else:
            assert succeed(connection, claim, Outcome(RESULT, artifacts=PICTURES, slices=SLICES), actor="w")

    context.database.run(work)


def test_one_scan_becomes_one_job(client: FlaskClient, ann: Headers, scan_png: bytes) -> None:
    answer = post(client, ann, scan_png, label="case 7")

    assert answer.status_code == 202
    job = answer.json
    assert (job["status"], job["label"], job["id"]) == ("queued", "case 7", job["jobs"][0]["id"])
    assert answer.headers["Location"].endswith(f"/api/v1/jobs/{job['id']}")
    assert client.get(answer.headers["Location"], headers=ann).json["position"] == 1


def test_several_scans_become_as_many_jobs(client: FlaskClient, ann: Headers, scan_png: bytes) -> None:
    answer = post(client, ann, scan_png, scan_png, scan_png)

    assert [job["submission"]["index"] for job in answer.json["jobs"]] == [1, 2, 3]
    assert "id" not in answer.json


def test_a_raw_body_is_a_scan_too(client: FlaskClient, ann: Headers, scan_png: bytes) -> None:
    answer = client.post("/api/v1/jobs?label=raw", headers=ann, data=scan_png, content_type="image/png")

    assert (answer.status_code, answer.json["label"]) == (202, "raw")


def test_no_file_name_is_stored_anywhere(client: FlaskClient, ann: Headers, scan_png: bytes, context: Context) -> None:
    post(client, ann, scan_png)

    with context.database.read() as connection:
        rows = [*connection.execute(select(jobs)), *connection.execute(select(scans))]
    assert "Müller" not in repr(rows)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "file_empty"),
        (b"just text", 415, "unsupported_type"),
        (b"<svg onload=alert(1)>", 415, "unsupported_type"),
        (b"\0" * 128 + b"DICM" + b"garbage", 415, "unsupported_transfer_syntax"),
        (b"MZ" + b"\0" * 126 + b"DICM", 415, "polyglot"),
    ],
    ids=["empty", "text", "svg", "dicom-garbage", "dicom-polyglot"],
)
def test_what_is_no_scan_is_refused_and_leaves_nothing(
    client: FlaskClient, ann: Headers, context: Context, scan_png: bytes, content: bytes, status: int, code: str
) -> None:
    answer = post(client, ann, scan_png, content)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    assert answer.json["errors"] == [{"index": 1, "code": code, "detail": answer.json["detail"]}]
    assert count(context, jobs) == count(context, scans) == 0
    assert post(client, ann, scan_png).status_code == 202


def test_a_request_without_a_file_says_so(client: FlaskClient, ann: Headers) -> None:
    assert client.post("/api/v1/jobs", headers=ann, data={"label": "x"}).json["code"] == "file_missing"
    assert client.post("/api/v1/jobs", headers=ann).json["code"] == "file_missing"


def test_a_form_that_cannot_be_read_says_so(client: FlaskClient, ann: Headers) -> None:
    answer = client.post("/api/v1/jobs", headers=ann, data=b"--x\r\nnothing", content_type="multipart/form-data")

    assert (answer.status_code, answer.json["code"]) == (400, "bad_multipart")


def test_a_scan_over_the_limit_is_refused(client: FlaskClient, ann: Headers, app: Flask, scan_png: bytes) -> None:
    limit = app.extensions["hepaq"].settings.max_upload_bytes

    answer = post(client, ann, scan_png + b"\0" * limit)

    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no"}, {"Authorization": "Basic YTpi"}], ids=str)
def test_nobody_gets_in_without_a_token(client: FlaskClient, headers: Headers) -> None:
    answer = client.get("/api/v1/jobs", headers=headers)

    assert (answer.status_code, answer.json["code"]) == (401, "not_authenticated")


def test_a_reading_token_cannot_submit(
    client: FlaskClient, make_token: Callable[..., Headers], scan_png: bytes
) -> None:
    reader = make_token("ro", scope="read")

    assert client.get("/api/v1/jobs", headers=reader).status_code == 200
    assert post(client, reader, scan_png).status_code == 403


def test_one_key_makes_one_job_however_often_it_is_sent(
    app: Flask, ann: Headers, scan_png: bytes, context: Context
) -> None:
    answers = []

    def send() -> None:
        answers.append(post(app.test_client(), ann | {"Idempotency-Key": "k1"}, scan_png))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(a.status_code for a in answers) == [200] * 19 + [202]
    assert len({a.json["id"] for a in answers}) == 1
    assert count(context, jobs) == 1
    other = post(app.test_client(), ann | {"Idempotency-Key": "k1"}, scan_png + b"\0")
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")


def test_an_unchanged_job_answers_304(client: FlaskClient, ann: Headers, scan_png: bytes, context: Context) -> None:
    url = post(client, ann, scan_png).headers["Location"]
    first = client.get(url, headers=ann)

    same = client.get(url, headers=ann | {"If-None-Match": first.headers["ETag"]})
    finish_next(context)
    changed = client.get(url, headers=ann | {"If-None-Match": first.headers["ETag"]})

    assert first.headers["Retry-After"] == "1"
    assert same.status_code == 304
    assert (changed.status_code, changed.json["status"]) == (200, "succeeded")


def test_a_result_has_what_it_promises(client: FlaskClient, ann: Headers, scan_png: bytes, context: Context) -> None:
    url = post(client, ann, scan_png).headers["Location"]
    finish_next(context)

    job = client.get(url, headers=ann).json

    assert job["result"]["tumor_detected"] is True
    assert job["result"]["lesions"][0]["bbox"] == [10, 20, 30, 40]
    assert job["result"]["model"]["sha256"] == "0" * 64
    assert "Not a medical device" in job["result"]["intended_use"]
    assert set(job["links"]) >= {"mask", "overlay", "original", "self", "page"}
    table = client.get(f"{url}/result.csv", headers=ann).text.splitlines()
    assert "Not a medical device" in table[0]
    assert len(table) == 3


def test_a_failed_job_says_why_and_can_be_retried(
    client: FlaskClient, ann: Headers, scan_png: bytes, context: Context
) -> None:
    url = post(client, ann, scan_png).headers["Location"]
    finish_next(context, error="truncated")

    failed = client.get(url, headers=ann).json
    again = client.post(f"{url}/retry", headers=ann)

    assert failed["error"] == {"code": "truncated", "detail": "It cannot be read."}
    assert (again.status_code, again.json["status"], again.json["error"]) == (202, "queued", None)


def test_cancel_is_idempotent_and_delete_hides(client: FlaskClient, ann: Headers, scan_png: bytes) -> None:
    url = post(client, ann, scan_png).headers["Location"]

    assert [client.post(f"{url}/cancel", headers=ann).status_code for _ in range(2)] == [200, 200]
    assert client.delete(url, headers=ann).status_code == 204
    assert client.get(url, headers=ann).status_code == 404
    assert client.get("/api/v1/jobs", headers=ann).json["jobs"] == []


def test_cancelling_a_finished_job_is_a_conflict(
    client: FlaskClient, ann: Headers, scan_png: bytes, context: Context
) -> None:
    url = post(client, ann, scan_png).headers["Location"]
    finish_next(context)

    assert client.post(f"{url}/cancel", headers=ann).status_code == 409


def test_pages_of_the_list_join_without_gap_or_repetition(client: FlaskClient, ann: Headers, scan_png: bytes) -> None:
    made = [post(client, ann, scan_png).json["id"] for _ in range(7)]

    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(
            f"/api/v1/jobs?limit=3&cursor={cursor}" if cursor else "/api/v1/jobs?limit=3", headers=ann
        ).json
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]

    assert seen == made[::-1]


def test_many_jobs_are_asked_for_at_once(client: FlaskClient, ann: Headers, scan_png: bytes) -> None:
    made = [post(client, ann, scan_png).json["id"] for _ in range(3)]

    found = client.get(f"/api/v1/jobs?ids={','.join([*made, new_id()])}", headers=ann).json["jobs"]

    assert sorted(job["id"] for job in found) == sorted(made)


def test_how_many_jobs_stand(client: FlaskClient, ann: Headers, scan_png: bytes, context: Context) -> None:
    made = [post(client, ann, scan_png).json["id"] for _ in range(2)]
    finish_next(context)
    address = f"/api/v1/jobs/status?ids={','.join([*made, new_id(), 'nonsense'])}"

    answer = client.get(address, headers=ann)

    document = answer.json
    assert JobStatusesSchema().validate(document) == {}
    assert {job["id"]: job["status"] for job in document["jobs"]} == {made[0]: "succeeded", made[1]: "queued"}
    assert all(set(job) == set(JobStatusSchema().fields) for job in document["jobs"])
    assert client.get(address, headers=ann | {"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert client.get("/api/v1/jobs/status", headers=ann).status_code == 422


def test_the_answer_to_an_upload_says_what_reading_the_jobs_says(
    client: FlaskClient, ann: Headers, scan_png: bytes
) -> None:
    made = post(client, ann, scan_png, scan_png, label="case 7").json["jobs"]

    read = client.get(f"/api/v1/jobs?ids={','.join(job['id'] for job in made)}", headers=ann).json["jobs"]

    assert sorted(read, key=lambda job: job["submission"]["index"]) == made
    assert [job["submission"]["index"] for job in made] == [1, 2]


def test_a_list_is_what_its_schema_says(client: FlaskClient, ann: Headers, scan_png: bytes, context: Context) -> None:
    made = [post(client, ann, scan_png).json["id"] for _ in range(2)]
    finish_next(context)

    page = client.get(f"/api/v1/jobs?ids={','.join(made)}", headers=ann).json
    alone = {job_id: client.get(f"/api/v1/jobs/{job_id}", headers=ann).json for job_id in made}

    assert JobListSchema().dump(page) == page
    assert JobListSchema().validate(page) == {}
    assert {job["id"]: job["links"] for job in page["jobs"]} == {k: job["links"] for k, job in alone.items()}
    assert all(url.count(job["id"]) == 1 for job in page["jobs"] for url in job["links"].values())


@pytest.mark.parametrize("query", ["status=weird", "limit=1000000000", "limit=x", "unknown=1", "cursor=1"])
def test_a_bad_filter_is_refused(client: FlaskClient, ann: Headers, query: str) -> None:
    answer = client.get(f"/api/v1/jobs?{query}", headers=ann)

    assert answer.status_code == 422
    assert answer.json["code"] == "invalid_request"


def test_no_address_with_an_id_shows_another_users_job(
    app: Flask, client: FlaskClient, make_token: Callable[..., Headers], scan_png: bytes, context: Context
) -> None:
    ann, bob = make_token("ann"), make_token("bob")
    job_id = post(client, ann, scan_png).json["id"]
    finish_next(context)
    walked = 0

    for rule in app.url_map.iter_rules():
        if "job_id" not in rule.arguments or not rule.rule.startswith("/api/"):
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path = rule.rule.replace("<number>", "1")
            foreign = client.open(path.replace("<job_id>", job_id), method=method, headers=bob)
            unknown = client.open(path.replace("<job_id>", new_id()), method=method, headers=bob)
            assert (foreign.status_code, unknown.status_code) == (404, 404), rule.rule
            assert foreign.json["detail"] == unknown.json["detail"]
            walked += 1
    assert walked >= 14
    # The test would prove little if the owner saw nothing either.
    for name in ("mask.png", "slices/1/mask.png", "slices/1/preview.jpg"):
        assert client.get(f"/api/v1/jobs/{job_id}/{name}", headers=ann).data == b"picture"
    assert client.get("/api/v1/jobs", headers=bob).json["jobs"] == []
    assert client.get(f"/api/v1/jobs?ids={job_id}", headers=bob).json["jobs"] == []
    assert client.get(f"/api/v1/jobs/status?ids={job_id}", headers=bob).json["jobs"] == []


@pytest.mark.parametrize("job_id", ["1 OR 1=1", "x" * 26, "0" * 5000, "%00", "\u0660" * 26, "../../etc/passwd"])
def test_what_is_no_id_is_not_found(client: FlaskClient, ann: Headers, job_id: str) -> None:
    assert client.get(f"/api/v1/jobs/{job_id}", headers=ann).status_code == 404


def test_a_quota_is_kept(client: FlaskClient, ann: Headers, scan_png: bytes, context: Context) -> None:
    limit = context.settings.max_active_jobs
    post(client, ann, scan_png)
    with context.database.transaction() as connection:
        row = connection.execute(select(jobs)).one()._asdict()
        copies = [row | {"id": new_id(), "created_ms": now_ms()} for _ in range(2)]
        for copy in copies:
            connection.execute(insert(jobs).values(**copy))
    object.__setattr__(context.settings, "max_active_jobs", 3)

    answer = post(client, ann, scan_png)

    object.__setattr__(context.settings, "max_active_jobs", limit)
    assert (answer.status_code, answer.json["code"]) == (429, "quota_jobs")
    assert int(answer.headers["Retry-After"]) > 0


def test_every_answer_has_the_security_headers(client: FlaskClient, ann: Headers) -> None:
    for url in (
        "/api/v1/jobs",
        "/api/v1/jobs/nothing",
        "/livez",
        "/readyz",
        "/metrics",
        "/nowhere",
        "/api/v1/openapi.json",
    ):
        headers = client.get(url, headers=ann).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], url
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Request-Id"]


def test_the_openapi_document_names_every_path_of_the_api(app: Flask, client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").json

    served = {
        r.rule.replace("<", "{").replace(">", "}")
        for r in app.url_map.iter_rules()
        if r.rule.startswith("/api/v1/jobs")
    }
    assert document["openapi"] == "3.1.0"
    assert served <= set(document["paths"])


def test_a_queue_that_nobody_claims_from_is_said(
    client: FlaskClient, ann: Headers, scan_png: bytes, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = post(client, ann, scan_png).json["id"]
    client.get("/readyz")
    assert "nobody claims" not in caplog.text

    with context.database.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(created_ms=jobs.c.created_ms - 61_000))
    client.get("/readyz")

    assert "nobody claims oldest_queued_s=61" in caplog.text


def test_a_request_can_be_followed_to_its_job(
    client: FlaskClient, ann: Headers, scan_png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    answer = post(client, ann, scan_png)

    line = f"request_id={answer.headers['X-Request-Id']} job_id={answer.json['id']} submitted count=1"
    assert line in caplog.text


def test_health_and_numbers(client: FlaskClient, ann: Headers, scan_png: bytes) -> None:
    post(client, ann, scan_png)

    assert client.get("/livez").json == {"status": "ok"}
    ready = {"status": "ok", "database": "ok", "storage": "ok", "workers": "none alive; jobs wait"}
    assert client.get("/readyz").json == ready
    assert 'hepaq_jobs_active{status="queued"} 1.0' in client.get("/metrics").text
