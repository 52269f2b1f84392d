"""The pages: what each shows in every state of a job, and what people can do there."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update
from werkzeug.test import TestResponse

from shared.database import DatabaseUnavailable
from shared.intended_use import INTENDED_USE
from shared.jobs.claim import Claim, claim_due
from shared.jobs.finish import Outcome, fail, retry_or_die, succeed
from shared.jobs.lease import show_phase
from shared.jobs.states import Phase
from shared.jobs.submit import StoredScan, submit
from shared.presence import note_presence
from shared.tables import jobs, users
from web.context import Context
from web.pages.evaluation import MEANINGS

Browsers = Callable[[], Any]
Users = Callable[..., str]
LESION = {
    "id": 1, "bbox": [10, 20, 30, 40], "area_px": 900, "area_mm2": None, "centroid": [25.0, 40.0],
    "longest_diameter_px": 50.25, "short_axis_px": 30.5, "longest_diameter_mm": None, "short_axis_mm": None,
    "confidence": 0.9,
}  # fmt: skip
REPORT = {
    "lesions": [LESION], "stage_note": "A note on the stage.", "liver_area_mm2": None, "tumor_area_mm2": None,
    "width_px": 128, "height_px": 128, "spacing_mm": None, "calibrated": False, "scope": "slice", "warnings": [],
    "preprocessing": {"resize": "square"}, "seconds": {"decoding": 0.01, "inferring": 1.25, "measuring": 0.02},
}  # fmt: skip
RESULT = {
    "tumor_detected": True, "confidence": 0.87, "stage": "II", "stage_rule": "bbox-128", "affected_percent": 3.5,
    "lesion_count": 1, "liver_area_px": 1000, "tumor_area_px": 35, "model_name": "net", "model_version": "1",
    "model_sha256": "a" * 64, "code_version": "0", "input_sha256": "b" * 64, "mask_sha256": "c" * 64,
}  # fmt: skip
NOTHING = {"tumor_detected": False, "stage": None, "affected_percent": 0.0, "lesion_count": 0, "tumor_area_px": 0}
IN_MM = {
    "calibrated": True, "spacing_mm": [0.5, 0.5], "liver_area_mm2": 250.0, "tumor_area_mm2": 8.75,
    "lesions": [LESION | {"area_mm2": 225.0, "longest_diameter_mm": 25.5, "short_axis_mm": 15.25}],
}  # fmt: skip


class Bench:
    """Makes jobs of one user and brings them into any state."""

    def __init__(self, context: Context, user_id: str) -> None:
        self.database, self.user_id = context.database, user_id

    def queue(self, count: int = 1, label: str | None = "case 7") -> tuple[str, ...]:
        scans = [StoredScan("d" * 64, 2048, "png")] * count
        return self.database.run(lambda c: submit(c, self.user_id, scans, label=label)).job_ids

    def job(self, label: str | None = "case 7") -> str:
        (job_id,) = self.queue(label=label)
        return job_id

    def claimed(self, work: Callable[[Connection, Claim], object]) -> str:
        job_id = self.job()

        def claim_and_work(connection: Connection) -> None:
            (claim,) = claim_due(connection, "w", limit=1, lease_s=30, deadline_s=60)
            work(connection, claim)

        self.database.run(claim_and_work)
        return job_id

    def running(self, phase: Phase = Phase.DECODING) -> str:
        return self.claimed(lambda c, claim: show_phase(c, [claim], phase))

    def done(self, report: dict[str, Any] | None = None, **result: Any) -> str:
        row = RESULT | result | {"report": REPORT | (report or {})}
        return self.claimed(lambda c, claim: succeed(c, claim, Outcome(row), actor="w"))

    def failed(self, code: str = "truncated") -> str:
        return self.claimed(lambda c, claim: fail(c, claim, code=code, detail="It is cut short.", actor="w"))

    def ill(self, *, max_attempts: int) -> str:
        def end(connection: Connection, claim: Claim) -> None:
            retry_or_die(
                connection, claim, code="storage_unavailable", detail="No storage.", actor="w",
                max_attempts=max_attempts, backoff_s=60,
            )  # fmt: skip

        return self.claimed(end)


@pytest.fixture
def bench(context: Context, bob: Any) -> Bench:
    """Jobs of bob's."""
    with context.database.read() as connection:
        return Bench(context, connection.execute(select(users.c.id).where(users.c.name == "bob")).scalar_one())


def words(page: TestResponse) -> str:
    """Return what a page says, without markup."""
    main = page.text.partition("<main")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


def test_every_page_says_what_the_system_is_for(bob: Any, bench: Bench, new_browser: Browsers) -> None:
    paths = ["/", "/model", "/upload", "/jobs", f"/jobs/{bench.job()}", "/account", "/nowhere"]

    for path in paths:
        assert INTENDED_USE in bob.get(path).text, path
    for path in ("/", "/model", "/login", "/nowhere"):
        assert INTENDED_USE in new_browser().get(path).text, path


def test_strangers_see_the_first_page_and_are_sent_to_the_login_elsewhere(new_browser: Browsers) -> None:
    stranger = new_browser()

    assert stranger.get("/").status_code == stranger.get("/model").status_code == 200
    assert "worker" not in words(stranger.get("/")).partition("How it works")[0].replace("as many workers", "")
    for path in ("/upload", "/jobs", "/jobs/rows", f"/jobs/{'0' * 26}", "/account"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.location.split("?")[0]) == (302, "/login"), path


def test_the_first_page_tells_whether_workers_live(bob: Any, context: Context) -> None:
    assert "No worker is alive" in bob.get("/").text

    context.database.run(lambda c: note_presence(c, "w", host="h", process_count=3, model_sha256="0" * 64))

    assert "3 worker processes alive" in words(bob.get("/"))


@pytest.mark.parametrize(
    "facts", [None, {}, {"name": "net", "metrics": {"val": {"figures": {"slice_auc": {"value": 0.75}}}}}]
)
def test_the_model_page_shows_what_the_contract_gives(
    bob: Any, app: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any] | None
) -> None:
    if facts is not None:
        (tmp_path / "liver_tumor.json").write_text(json.dumps(facts))
    settings = app.extensions["hepaq"].settings
    object.__setattr__(settings, "model_dir", tmp_path)

    pages = [bob.get("/model"), bob.get("/")]

    assert [page.status_code for page in pages] == [200, 200]
    assert ("0.75" in pages[0].text) == bool(facts)


@pytest.mark.parametrize(
    ("took_s", "said"),
    [(10, "Less than a minute to wait"), (60, "About 2 minutes to wait"), (7200, "About 3.0 hours to wait")],
)
def test_a_waiting_job_says_how_long_it_may_wait(
    bob: Any, bench: Bench, context: Context, took_s: int, said: str
) -> None:
    bench.done({"seconds": {"decoding": 0.5 * took_s, "inferring": 0.5 * took_s}})
    third = bench.queue(3)[2]
    page = f"/jobs/{third}"
    assert "to wait" not in words(bob.get(page))

    context.database.run(lambda c: note_presence(c, "w", host="h", process_count=2, model_sha256="0" * 64))

    assert f"Number 3 in the queue. {said}, as things go." in words(bob.get(page))


def test_nothing_is_said_of_the_wait_before_any_job_is_done(bob: Any, bench: Bench, context: Context) -> None:
    context.database.run(lambda c: note_presence(c, "w", host="h", process_count=2, model_sha256="0" * 64))

    said = words(bob.get(f"/jobs/{bench.job()}"))

    assert "Next in the queue." in said
    assert "to wait" not in said


def test_a_waiting_job_shows_its_place(bob: Any, bench: Bench) -> None:
    first, _, third = bench.queue(3)

    assert "Next in the queue." in words(bob.get(f"/jobs/{first}"))
    page = bob.get(f"/jobs/{third}")
    assert "Number 3 in the queue." in words(page)
    assert "Scan 3 of 3" in words(page)
    assert "data-live" in page.text


@pytest.mark.parametrize("phase", list(Phase))
def test_a_running_job_shows_its_phase(bob: Any, bench: Bench, phase: Phase) -> None:
    page = bob.get(f"/jobs/{bench.running(phase)}")

    assert f"Running: {phase}." in words(page)
    assert re.search(rf'class="now" data-step="{phase}" aria-current="step"', page.text)


def test_a_job_that_is_to_stop_says_so_and_cannot_be_cancelled_twice(bob: Any, bench: Bench) -> None:
    job_id = bench.running()

    bob.post(f"/jobs/{job_id}/cancel")

    page = bob.get(f"/jobs/{job_id}")
    assert "Stopping, as you asked." in words(page)
    assert f"/jobs/{job_id}/cancel" not in page.text


def test_a_job_that_waits_for_another_try_says_why(bob: Any, bench: Bench) -> None:
    said = words(bob.get(f"/jobs/{bench.ill(max_attempts=5)}"))

    assert "storage_unavailable" in said
    assert "tried again by itself" in said


def test_a_found_tumor_is_shown_with_all_its_numbers(bob: Any, bench: Bench) -> None:
    page = bob.get(f"/jobs/{bench.done()}")

    said = words(page)
    for part in (
        "Tumor found", "1 lesion in this slice.", "87 %", "3.5 %", "bbox-128", "A note on the stage.",
        "50.2 × 30.5", "900", "90 %", "10, 20, 30, 40", "In pixels of this picture", "aaaaaaaaaaaa", "net 1", "1.2 s",
    ):  # fmt: skip
        assert part in said, part
    assert "mm²" not in said
    assert json.loads(re.search(r'data-lesions="([^"]+)"', page.text)[1].replace("&#34;", '"'))[0]["id"] == 1  # type: ignore[index]
    for name in ("mask.png", "overlay.png", "original", "result.json", "result.csv", "preview.jpg", "probability.png"):
        assert name in page.text, name


def test_millimetres_are_shown_where_the_file_gives_them(bob: Any, bench: Bench) -> None:
    said = words(bob.get(f"/jobs/{bench.done(IN_MM, stage_rule='size-mm-1')}"))

    assert "25.5 × 15.2" in said
    assert "225" in said
    assert "0.5 × 0.5 mm a pixel" in said
    assert "In pixels of this picture" not in said


@pytest.fixture
def measured_model(app: Any, tmp_path: Any) -> None:
    """A model that misses 40 % and raises a false alarm in 10 %."""
    figures = {"slice_sensitivity": {"value": 0.6}, "slice_specificity": {"value": 0.9}}
    (tmp_path / "liver_tumor.json").write_text(json.dumps({"metrics": {"test": {"figures": figures}}}))
    object.__setattr__(app.extensions["hepaq"].settings, "model_dir", tmp_path)


@pytest.fixture
def evaluated_model(app: Any, tmp_path: Any) -> None:
    """A model with a report and a plot of it, and a report on another model."""
    folder = tmp_path / "evaluation"
    folder.mkdir()
    (tmp_path / "liver_tumor.json").write_text(json.dumps({"name": "net", "sha256": "aa", "metrics": {}}))
    figures = {
        "tumor_dice_global": {"value": 0.621, "low": 0.5, "high": 0.7},
        "pixel_accuracy": {"value": 0.9876, "low": 0.9, "high": 1.0},
        "slice_auc": {"value": None, "low": None, "high": None},
    }
    confusion = {"true_positive": 41, "false_negative": 9, "false_positive": 7, "true_negative": 43}
    lesions = {"recall": {"below_20": {"lesions": 8, "found": 2, "recall": 0.25}}, "false_positives_per_slice": 0.5}
    scan = {
        "scan": "liver_7", "slices": 9, "liver_dice": 0.95, "tumor_dice": None, "has_tumor": False, "called": True
    }  # fmt: skip
    report = {"sha256": "aa", "slices": 100, "persons": 5, "figures": figures, "confusion": confusion}
    report |= {"lesions": lesions, "per_scan": [scan]}
    (folder / "test.json").write_text(json.dumps(report))
    (folder / "val.json").write_text(json.dumps(report | {"sha256": "bb"}))
    (folder / "baseline-test.json").write_text(json.dumps({"figures": {"tumor_dice_global": {"value": 0.123}}}))
    (folder / "earlier.json").write_text(
        json.dumps({"note": "Not comparable.", "rows": [{"system": "X", "figure": "9"}]})
    )
    tried = {"name": "tried", "width": 32, "parameters": 1234567, "tumor_dice_global": 0.598, "slice_auc": None}
    (folder / "search.json").write_text(json.dumps({"rows": [tried]}))
    ablated = {"name": "no smallest size", "tumor_dice_global": 0.456, "false_positives_per_slice": 1.5}
    (folder / "ablation.json").write_text(json.dumps({"sha256": "aa", "rows": [ablated]}))
    (folder / "test-roc.png").write_bytes(b"a plot")
    (folder / "secret.png").write_bytes(b"no plot")
    object.__setattr__(app.extensions["hepaq"].settings, "model_dir", tmp_path)


def test_the_models_page_shows_its_evaluation_and_no_other(bob: Any, evaluated_model: None) -> None:
    said = words(bob.get("/model"))

    assert "Test scans" in said
    assert "Validation scans" not in said
    for fact in ("0.621", "0.123", "9 missed", "7 false alarms", "Not comparable."):
        assert fact in said, fact
    page = bob.get("/model").text
    assert "/model/plots/test-roc.png" in page
    assert "test-froc.png" not in page
    assert "search-front.png" not in page


def test_the_models_page_puts_every_figure_in_words(bob: Any, evaluated_model: None) -> None:
    said = words(bob.get("/model"))

    assert (
        "Tumor outline, Dice over all pixels Overlap with what the expert drew; large tumors count most. 0.621" in said
    )
    assert "Tumor or none, area under the ROC curve" not in said
    assert "Below 20 px 8 2 25 %" in said
    assert "liver_7 9 0.950 – none found some" in said
    assert "tried, width 32 – 1 234 567 – – – 0.598" in said
    assert "No smallest size 0.456 – – – – 1.50" in said
    assert "This model, test scans. Pixels judged rightly: background, liver or tumor 98.8 %" in said


def test_the_models_page_without_an_evaluation_shows_the_contracts_figures(bob: Any, measured_model: None) -> None:
    assert "How often it is right" in words(bob.get("/model"))


def test_figures_the_evaluation_gives_are_the_ones_the_page_knows() -> None:
    contract = json.loads((Path(__file__).parents[2] / "models/evaluation/test.json").read_text())

    assert set(contract["figures"]) <= set(MEANINGS)


@pytest.mark.parametrize(
    ("name", "status"),
    [("test-roc.png", 200), ("val-roc.png", 404), ("secret.png", 404), ("..%2Fliver_tumor.json", 404)],
)
def test_only_plots_are_sent(bob: Any, evaluated_model: None, name: str, status: int) -> None:
    assert bob.get(f"/model/plots/{name}", buffered=True).status_code == status


def test_a_finding_comes_with_how_often_it_is_false(bob: Any, bench: Bench, measured_model: None) -> None:
    said = words(bob.get(f"/jobs/{bench.done()}"))

    assert "On test scans, the model raised a false alarm in 10 % of the slices without tumor." in said


def test_no_tumor_is_no_clean_bill(bob: Any, bench: Bench, measured_model: None) -> None:
    said = words(bob.get(f"/jobs/{bench.done({'lesions': []}, **NOTHING, confidence=0.04)}"))

    assert "No tumor found" in said
    assert "This does not rule a tumor out." in said
    assert "the model missed 40 % of the slices with tumor" in said
    assert "size stage" in said


def test_no_liver_is_said_so(bob: Any, bench: Bench) -> None:
    result = NOTHING | {"affected_percent": None, "liver_area_px": 0}

    said = words(bob.get(f"/jobs/{bench.done({'lesions': [], 'warnings': ['no_liver', 'odd_thing']}, **result)}"))

    assert "No liver found" in said
    assert "Is it a liver slice?" in said
    assert "Odd thing." in said


def test_a_failed_job_says_what_happened_and_what_to_do(bob: Any, bench: Bench) -> None:
    job_id = bench.failed()

    page = bob.get(f"/jobs/{job_id}")

    assert "It is cut short. Upload a new copy." in words(page)
    assert "truncated" in words(page)
    assert f"/jobs/{job_id}/retry" in page.text


def test_a_dead_job_says_that_it_is_not_the_scans_fault(bob: Any, bench: Bench) -> None:
    said = words(bob.get(f"/jobs/{bench.ill(max_attempts=1)}"))

    assert "Set aside" in said
    assert "Try again in a moment." in said


def test_the_list_shows_every_state(bob: Any, bench: Bench) -> None:
    bench.done()
    bench.done({"lesions": []}, **NOTHING)
    bench.failed()
    bench.ill(max_attempts=1)
    bench.running()
    bob.post(f"/jobs/{bench.job()}/cancel")
    bench.queue(2, label=None)

    page = bob.get("/jobs")

    said = words(page)
    assert "2 queued , 1 running , 2 done , 1 failed , 1 set aside , 1 cancelled" in said
    for part in ("Tumor", "None found", "It is cut short.", "case 7", "Scan 2 of 2", "Set aside", "Cancelled"):
        assert part in said, part
    assert page.text.count("<tr id=") == 8
    assert page.text.count("thumbnail.jpg") == 2


def test_the_list_filters_by_state_and_label(bob: Any, bench: Bench) -> None:
    failed, labelled = bench.failed(), bench.job("other & more")

    assert shown_ids(bob.get("/jobs?status=failed")) == [failed]
    assert shown_ids(bob.get("/jobs?label=other+%26+more")) == [labelled]
    assert shown_ids(bob.get("/jobs?status=nonsense&cursor=nonsense")) == [labelled, failed]
    assert "No such jobs" in bob.get("/jobs?label=unknown").text


def shown_ids(page: TestResponse) -> list[str]:
    """Return the jobs of a list, from the top."""
    return re.findall(r'<tr id="job-(\w+)"', page.text)


def test_the_list_goes_on_over_pages_without_gap_or_double(bob: Any, bench: Bench) -> None:
    made = [*bench.queue(60), *bench.queue(45)]
    seen: list[str] = []
    path = "/jobs"

    while path:
        page = bob.get(path)
        seen += shown_ids(page)
        found = re.search(r'href="([^"]+cursor=[^"]+)">Older', page.text)
        path = found[1].replace("&amp;", "&") if found else ""

    assert seen == sorted(made, reverse=True)


def test_the_list_goes_back_page_by_page(bob: Any, bench: Bench) -> None:
    made = sorted([*bench.queue(60), *bench.queue(60)], reverse=True)
    middle = follow(bob, bob.get("/jobs"), "next")
    assert "newer=" in middle.text

    last = follow(bob, middle, "next")
    back = follow(bob, last, "prev")
    top = follow(bob, back, "prev")

    assert [shown_ids(page) for page in (last, back, top)] == [made[100:], made[50:100], made[:50]]
    assert follow(bob, back, "next").text.count("<tr id=") == 20
    assert 'rel="prev"' not in top.text
    assert shown_ids(follow(bob, top, "next")) == made[50:100]


def test_the_page_before_the_newest_is_full(bob: Any, bench: Bench) -> None:
    made = sorted(bench.queue(60), reverse=True)

    page = bob.get(f"/jobs?newer={made[3]}")

    assert shown_ids(page) == made[:50]


def follow(bob: Any, page: TestResponse, relation: str) -> TestResponse:
    """Go to the page after or before."""
    (path,) = re.findall(rf'rel="{relation}" href="([^"]+)"', page.text)
    answer: TestResponse = bob.get(path.replace("&amp;", "&"))
    return answer


def test_rows_come_alone_too_and_only_ones_own(bob: Any, bench: Bench, new_browser: Browsers, make_user: Users) -> None:
    first, second = bench.queue(2)
    make_user("eve")
    eve = new_browser()
    eve.log_in("eve")

    assert shown_ids(bob.get(f"/jobs/rows?ids={first},nonsense")) == [first]
    assert shown_ids(eve.get(f"/jobs/rows?ids={first},{second}")) == []


def test_other_peoples_jobs_do_not_exist(
    bench: Bench, new_browser: Browsers, make_user: Users, context: Context
) -> None:
    job_id = bench.failed()
    make_user("eve", is_admin=True)
    eve = new_browser()
    eve.log_in("eve")

    unknown = eve.get(f"/jobs/{'0' * 26}")
    foreign = eve.get(f"/jobs/{job_id}")
    changes = [eve.post(f"/jobs/{job_id}/{name}").status_code for name in ("cancel", "retry", "delete")]
    eve.post("/jobs/change", {"change": "delete", "id": [job_id]})

    assert (foreign.status_code, words(foreign).split("number")[0]) == (404, words(unknown).split("number")[0])
    assert changes == [404, 404, 404]
    assert status_of(context, job_id) == ("failed", None)


def status_of(context: Context, job_id: str) -> tuple[str, int | None]:
    """Return a job's status and when it was deleted."""
    with context.database.read() as connection:
        row = connection.execute(select(jobs.c.status, jobs.c.deleted_ms).where(jobs.c.id == job_id)).one()
    return row.status, row.deleted_ms


@pytest.mark.parametrize("job_id", ["1 OR 1=1", "%00", "x" * 10_000, "٣" * 26, "..", "<b>"])
def test_nonsense_for_a_job_is_no_job(bob: Any, job_id: str) -> None:
    assert bob.get(f"/jobs/{job_id}").status_code == 404


def test_jobs_are_cancelled_run_again_and_deleted(
    bob: Any, bench: Bench, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(context.ringer, "ring", rung.extend)
    # In this order, for a worker takes the oldest.
    failed, waiting = bench.failed(), bench.job()

    assert bob.post(f"/jobs/{waiting}/cancel").location.endswith(waiting)
    assert bob.post(f"/jobs/{failed}/retry").location.endswith(failed)

    assert status_of(context, waiting)[0] == "cancelled"
    assert status_of(context, failed)[0] == "queued"
    assert rung == [failed]
    assert bob.post(f"/jobs/{failed}/cancel").status_code == 302
    assert bob.post(f"/jobs/{failed}/delete").location == "/jobs"
    assert bob.get(f"/jobs/{failed}").status_code == 404


def test_many_are_changed_at_once_and_those_that_refuse_are_counted(bob: Any, bench: Bench, context: Context) -> None:
    done, *waiting = bench.done(), bench.job(), bench.job()

    answer = bob.post("/jobs/change?status=queued&evil=1", {"change": "cancel", "id": [done, *waiting]})

    assert answer.location == "/jobs?status=queued"
    assert "2 jobs cancelled. 1 could not be" in words(bob.get("/jobs"))
    assert [status_of(context, job_id)[0] for job_id in (done, *waiting)] == ["succeeded", "cancelled", "cancelled"]
    assert bob.post("/jobs/change", {"change": "drop", "id": waiting}).status_code == 400


HOSTILE = '"><img src=x onerror=alert(1)>{{7*7}}'


def test_a_hostile_label_is_text_everywhere(bob: Any, bench: Bench) -> None:
    job_id = bench.job(HOSTILE)

    for path in ("/jobs", f"/jobs/{job_id}", f"/jobs/rows?ids={job_id}", "/jobs?label=" + HOSTILE):
        page = bob.get(path).text
        assert "<img src=x" not in page, path
        assert "&lt;img src=x onerror=alert(1)&gt;{{7*7}}" in page, path


def test_pages_may_run_and_load_only_what_is_ours(bob: Any, bench: Bench) -> None:
    for path in ("/", "/upload", "/jobs", f"/jobs/{bench.done()}", "/account", "/nowhere"):
        policy = bob.get(path).headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


def upload(browser: Any, *contents: bytes, **fields: str) -> TestResponse:
    """Send the upload page's plain form."""
    files = [(io.BytesIO(content), "Müller_Hans.png") for content in contents]
    answer = browser.post("/upload", {"scan": files, **fields}, content_type="multipart/form-data")
    # The test client keeps a large body in a temporary file and leaves it open.
    answer.request.environ["wsgi.input"].close()
    return answer


def test_uploading_works_without_scripts(bob: Any, scan_png: bytes) -> None:
    several = upload(bob, scan_png, scan_png, label="case 9")
    single = upload(bob, scan_png)

    assert several.location == "/jobs"
    assert re.fullmatch(r"/jobs/\w{26}", single.location)
    page = bob.get("/jobs")
    assert "2 scans are in the queue." in words(page)
    assert len(shown_ids(page)) == 3
    assert "Hans" not in page.text


def test_an_upload_may_be_larger_than_other_forms(bob: Any, scan_png: bytes) -> None:
    padded = scan_png + bytes(250_000)

    assert upload(bob, *[padded] * 5).location == "/jobs"


def test_a_refused_upload_says_why_and_what_to_do(bob: Any, scan_png: bytes) -> None:
    text = upload(bob, scan_png, b"this is no picture")
    empty = upload(bob)

    assert text.status_code == 415
    assert "The content counts" in words(text)
    assert "None of the files was taken." in words(text)
    assert (empty.status_code, "Choose at least one file." in words(empty)) == (400, True)
    assert "No jobs yet" in bob.get("/jobs").text


def test_the_samples_become_jobs(bob: Any) -> None:
    assert bob.post("/upload/samples").location == "/jobs"

    page = bob.get("/jobs")
    assert len(shown_ids(page)) == 6
    assert words(page).count("Sample scans") == 6


def test_error_pages_appear_without_the_database(bob: Any, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("The database does not answer; please try again in a moment.")

    monkeypatch.setattr(context.database, "read", gone)

    for path in ("/jobs", "/", "/account"):
        page = bob.get(path)
        assert (page.status_code, page.headers["Retry-After"]) == (503, "5"), path
        assert "The database does not answer" in words(page), path


def test_the_admin_sees_the_queue_but_no_labels(
    bench: Bench, context: Context, new_browser: Browsers, make_user: Users
) -> None:
    bench.failed("not_ct")
    bench.ill(max_attempts=1)
    bench.queue(2, label="secret label")
    context.database.run(lambda c: note_presence(c, "w", host="scanner-room", process_count=4, model_sha256="e" * 64))
    context.database.run(
        lambda c: c.execute(update(users).where(users.c.name == "bob").values(must_change_password=True))
    )
    make_user("boss", is_admin=True)
    boss = new_browser()
    boss.log_in("boss")

    page = boss.get("/admin")

    said = words(page)
    for part in ("scanner-room", "Alive", "not_ct", "storage_unavailable", "Set aside", "bob"):
        assert part in said, part
    assert "waiting 2 running 0" in said
    assert "worker processes alive 4" in said
    assert "secret label" not in page.text
