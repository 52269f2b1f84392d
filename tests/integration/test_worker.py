"""A worker process's work, with the shipped network on real databases and storage."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import select

import worker.batch
from models.contract import CONTRACT_NAME, load_contract
from models.errors import ContractMismatch
from models.phantom import draw_phantom
from models.segmenter import Segmenter
from shared.database import Database
from shared.folder_storage import FolderStorage
from shared.jobs import control
from shared.jobs.claim import claim_due
from shared.jobs.invariants import violations
from shared.jobs.reap import reap_expired
from shared.jobs.states import Status
from shared.jobs.submit import StoredScan, submit
from shared.settings import load_settings
from shared.storage import object_path
from shared.tables import artifacts, jobs, lesions, results
from worker.batch import work_on
from worker.runtime import Runtime
from worker.sandbox import Sandbox
from worker.tasks import work_on_due

MODEL_DIR = Path(__file__).parents[2] / "models"


@pytest.fixture
def runtime(database: Database, storage: FolderStorage, segmenter: Segmenter, sandbox: Sandbox) -> Runtime:
    """One worker process's runtime."""
    settings = load_settings({"HEARTBEAT_S": "0.1", "BACKOFF_S": "0.001"})
    return Runtime("host:1:a", settings, database, storage, segmenter, sandbox)


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def submit_contents(runtime: Runtime, user_id: str, *contents: bytes) -> list[str]:
    stored = []
    for content in contents:
        kept = runtime.storage.put(io.BytesIO(content), limit_bytes=10**8)
        stored.append(StoredScan(kept.sha256, kept.size_bytes, "png"))
    return list(runtime.database.run(lambda c: submit(c, user_id, stored)).job_ids)


def claim_all(runtime: Runtime):
    return runtime.database.run(lambda c: claim_due(c, runtime.worker_id, limit=8, lease_s=30, deadline_s=900))


def states(runtime: Runtime) -> dict[str, tuple[str, str | None]]:
    with runtime.database.read() as connection:
        rows = connection.execute(select(jobs.c.id, jobs.c.status, jobs.c.error_code))
        return {row.id: (row.status, row.error_code) for row in rows}


def assert_sound(runtime: Runtime) -> None:
    with runtime.database.read() as connection:
        assert list(violations(connection)) == []


def test_a_phantom_becomes_a_result_with_mask_and_pictures(runtime: Runtime, user_id: str) -> None:
    phantom = draw_phantom(3, lesion_count=2)
    (job_id,) = submit_contents(runtime, user_id, png(phantom.pixels))

    assert work_on_due(runtime) == 1

    with runtime.database.read() as connection:
        result = connection.execute(select(results)).one()
        kinds = {row.kind: row.content for row in connection.execute(select(artifacts))}
        found = connection.execute(select(lesions)).all()
    mask = cv2.imdecode(np.frombuffer(kinds["mask"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert states(runtime)[job_id] == (Status.SUCCEEDED, None)
    assert mask.shape == phantom.pixels.shape
    assert set(np.unique(mask)) <= {0, 128, 255}
    assert set(kinds) == {"mask", "preview", "thumbnail", "probability", "uncertainty"}
    assert len(found) == result.lesion_count == len(result.report["lesions"])
    assert result.input_sha256 and result.model_sha256 == runtime.segmenter.contract.sha256
    assert set(result.report["seconds"]) == {"decoding", "inferring", "measuring"}
    assert_sound(runtime)


def test_the_same_scan_gives_the_same_mask_byte_for_byte(runtime: Runtime, user_id: str) -> None:
    content = png(draw_phantom(4, lesion_count=1).pixels)
    submit_contents(runtime, user_id, content, png(draw_phantom(5).pixels), content)

    while work_on_due(runtime):
        pass
    submit_contents(runtime, user_id, content)
    work_on_due(runtime)

    with runtime.database.read() as connection:
        digests = connection.execute(select(results.c.input_sha256, results.c.mask_sha256)).all()
    assert len(digests) == 4
    assert len({row.mask_sha256 for row in digests if row.input_sha256 == digests[0].input_sha256}) == 1


def test_a_bad_scan_takes_no_other_with_it(runtime: Runtime, user_id: str) -> None:
    good = png(draw_phantom(1).pixels)
    ids = submit_contents(
        runtime, user_id, good, b"no scan at all", good[: len(good) // 2], png(draw_phantom(2).pixels)
    )

    assert work_on_due(runtime) == 4

    found = states(runtime)
    assert [found[i] for i in ids] == [
        (Status.SUCCEEDED, None),
        (Status.FAILED, "unsupported_type"),
        (Status.FAILED, "truncated"),
        (Status.SUCCEEDED, None),
    ]
    assert_sound(runtime)


def test_a_scan_that_storage_lost_or_damaged_fails_with_its_reason(runtime: Runtime, user_id: str) -> None:
    contents = [png(draw_phantom(seed).pixels) for seed in (1, 2)]
    lost, damaged = submit_contents(runtime, user_id, *contents)
    digests = [claim.content_sha256 for claim in claim_all(runtime)]
    assert isinstance(runtime.storage, FolderStorage)
    (runtime.storage.objects / object_path(digests[0])).unlink()
    (runtime.storage.objects / object_path(digests[1])).write_bytes(b"x")
    runtime.database.run(lambda c: c.execute(jobs.update().values(status="queued", attempt=0)))

    work_on_due(runtime)

    assert states(runtime) == {lost: (Status.FAILED, "input_missing"), damaged: (Status.FAILED, "storage_corrupt")}


def test_running_out_of_memory_is_worth_another_attempt(
    runtime: Runtime, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job_id,) = submit_contents(runtime, user_id, png(draw_phantom(1).pixels))

    def no_memory(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(worker.batch, "decode", no_memory)
        work_on_due(runtime)
    assert states(runtime)[job_id] == (Status.QUEUED, "out_of_memory")

    while not work_on_due(runtime):
        pass
    assert states(runtime)[job_id] == (Status.SUCCEEDED, None)
    assert_sound(runtime)


def test_a_batch_the_network_refuses_is_tried_one_by_one(
    runtime: Runtime, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_contents(runtime, user_id, *(png(draw_phantom(seed).pixels) for seed in (1, 2, 3)))
    whole = worker.batch.infer_cases

    def only_single(cases: list, segmenter: Segmenter) -> list:
        if len(cases) > 1:
            raise RuntimeError("too much at once")
        return whole(cases, segmenter)

    monkeypatch.setattr(worker.batch, "infer_cases", only_single)

    work_on_due(runtime)

    assert {status for status, _ in states(runtime).values()} == {Status.SUCCEEDED}


def test_a_job_cancelled_while_it_runs_leaves_no_result(
    runtime: Runtime, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job_id,) = submit_contents(runtime, user_id, png(draw_phantom(1).pixels))
    whole = worker.batch.infer_cases

    def cancelled_meanwhile(cases: list, segmenter: Segmenter) -> list:
        runtime.database.run(lambda c: control.cancel(c, user_id, job_id))
        return whole(cases, segmenter)

    monkeypatch.setattr(worker.batch, "infer_cases", cancelled_meanwhile)

    work_on_due(runtime)

    assert states(runtime)[job_id] == (Status.CANCELLED, None)
    assert_sound(runtime)


def test_a_stopped_worker_gives_its_jobs_back_untouched(
    runtime: Runtime, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_contents(runtime, user_id, *(png(draw_phantom(seed).pixels) for seed in (1, 2)))

    def stopped(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(worker.batch, "infer_cases", stopped)

    with pytest.raises(SystemExit):
        work_on_due(runtime)

    with runtime.database.read() as connection:
        rows = connection.execute(select(jobs.c.status, jobs.c.attempt)).all()
    assert [tuple(row) for row in rows] == [(Status.QUEUED, 0)] * 2
    assert_sound(runtime)


def test_a_worker_that_lost_its_job_writes_nothing(runtime: Runtime, user_id: str) -> None:
    (job_id,) = submit_contents(runtime, user_id, png(draw_phantom(1).pixels))
    claims = runtime.database.run(lambda c: claim_due(c, "frozen", limit=8, lease_s=-1, deadline_s=900))
    runtime.database.run(lambda c: reap_expired(c, actor="keeper", max_attempts=5, max_crashes=3))

    work_on(runtime, claims)

    assert states(runtime)[job_id][0] == Status.QUEUED
    assert work_on_due(runtime) == 1
    assert states(runtime)[job_id] == (Status.SUCCEEDED, None)
    assert_sound(runtime)


def test_a_network_that_is_not_the_contracts_is_refused(tmp_path: Path) -> None:
    network = load_contract(MODEL_DIR).path.name
    for name in (network, CONTRACT_NAME):
        (tmp_path / name).write_bytes((MODEL_DIR / name).read_bytes())
    with open(tmp_path / network, "r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))

    with pytest.raises(ContractMismatch, match="SHA-256"):
        Segmenter(tmp_path)


def test_no_worker_starts_with_a_network_that_knows_tumor_alone(tmp_path: Path) -> None:
    contract = load_contract(MODEL_DIR)
    (tmp_path / contract.path.name).write_bytes(contract.path.read_bytes())
    output = contract.facts["output"] | {"shape": [None, 1, contract.side, contract.side]}
    (tmp_path / CONTRACT_NAME).write_text(json.dumps(contract.facts | {"output": output}))
    environment = os.environ | {"MODEL_DIR": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": ""}

    done = subprocess.run(
        [sys.executable, "-c", "from worker.app import check_model; check_model()"],
        env=environment, cwd=MODEL_DIR.parent, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 2
    assert "knows tumor alone" in done.stderr


def test_a_scan_that_kills_the_decoder_fails_alone_and_the_worker_lives(
    runtime: Runtime, user_id: str, breakable: Sandbox
) -> None:
    runtime = replace(runtime, sandbox=breakable)
    contents = [b"segfault", png(draw_phantom(1, side=128).pixels), b"nonsense", png(draw_phantom(2, side=128).pixels)]
    ids = submit_contents(runtime, user_id, *contents)

    assert work_on_due(runtime) == 4

    with runtime.database.read() as connection:
        rows = {row.id: row for row in connection.execute(select(jobs))}
    assert [(rows[i].status, rows[i].error_code) for i in ids] == [
        ("failed", "unreadable_file"), ("succeeded", None), ("failed", "unreadable_file"), ("succeeded", None),
    ]  # fmt: skip
