"""A worker process and volumes: what comes of one, how it is watched, cancelled, and kept from stopping others."""

import gzip
import io
import tracemalloc

import cv2
import nibabel
import numpy as np
import pytest
from sqlalchemy import select

import worker.volume_batch
from models.grid import Grid
from models.phantom import draw_phantom
from models.phantom_volume import affine_of, draw_volume, to_nifti
from models.segmenter import Segmenter
from models.volume_type import Volume
from models.window import to_display
from shared.database import Database
from shared.folder_storage import FolderStorage
from shared.jobs import control
from shared.jobs.claim import claim_due
from shared.jobs.invariants import violations
from shared.jobs.reap import reap_expired
from shared.jobs.states import Phase, Status
from shared.jobs.submit import StoredScan, submit
from shared.settings import load_settings
from shared.tables import artifacts, jobs, lesions, results, slices
from worker.batch import work_on
from worker.runtime import Runtime
from worker.sandbox import Sandbox
from worker.tasks import work_on_due
from worker.volume_analysis import VolumeCase, infer_volume, measure_case_volume

PHANTOM = draw_volume(1, side=128, slice_count=20, radii_mm=(20.0,))


@pytest.fixture
def runtime(database: Database, storage: FolderStorage, segmenter: Segmenter, sandbox: Sandbox) -> Runtime:
    """One worker process's runtime, whose heart beats fast."""
    settings = load_settings({"HEARTBEAT_S": "0.05", "BACKOFF_S": "0.001"})
    return Runtime("host:1:a", settings, database, storage, segmenter, sandbox)


def png() -> tuple[bytes, str]:
    return cv2.imencode(".png", draw_phantom(1).pixels)[1].tobytes(), "png"


def put(runtime: Runtime, user_id: str, *scans: tuple[bytes, str]) -> list[str]:
    stored = []
    for content, form in scans:
        kept = runtime.storage.put(io.BytesIO(content), limit_bytes=10**8)
        stored.append(StoredScan(kept.sha256, kept.size_bytes, form))
    return list(runtime.database.run(lambda c: submit(c, user_id, stored)).job_ids)


def status_of(runtime: Runtime, job_id: str) -> tuple[str, str | None]:
    with runtime.database.read() as connection:
        row = connection.execute(select(jobs.c.status, jobs.c.error_code).where(jobs.c.id == job_id)).one()
    return row.status, row.error_code


def assert_sound(runtime: Runtime) -> None:
    with runtime.database.read() as connection:
        assert list(violations(connection)) == []


def test_a_volume_becomes_a_result_with_a_picture_and_a_mask_of_each_slice(runtime: Runtime, user_id: str) -> None:
    (job_id,) = put(runtime, user_id, (to_nifti(PHANTOM), "nifti"))

    assert work_on_due(runtime) == 1

    assert status_of(runtime, job_id) == (Status.SUCCEEDED, None)
    with runtime.database.read() as connection:
        result = connection.execute(select(results)).one()
        rows = connection.execute(select(slices).order_by(slices.c.number)).all()
        kinds = {row.kind: row.content for row in connection.execute(select(artifacts))}
        found = connection.execute(select(lesions)).all()
    assert (result.scope, result.slice_count, [row.number for row in rows]) == ("volume", 20, list(range(1, 21)))
    masks = np.stack([cv2.imdecode(np.frombuffer(r.mask, np.uint8), cv2.IMREAD_UNCHANGED) for r in rows])
    overlap = 2 * ((masks > 0) & (PHANTOM.mask > 0)).sum() / ((masks > 0).sum() + (PHANTOM.mask > 0).sum())
    assert overlap > 0.9
    assert set(kinds) == {"mask", "preview", "thumbnail", "mask_nifti"}
    assert len(found) == result.lesion_count == 1
    assert found[0].slice_number in (10, 11)
    assert found[0].volume_ml == pytest.approx(4 / 3 * np.pi * 20**3 / 1000, rel=0.35)
    assert result.report["shown_slice"] in (10, 11)
    assert kinds["mask"] == rows[result.report["shown_slice"] - 1].mask
    assert_sound(runtime)

    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(kinds["mask_nifti"]))
    assert np.array_equal(np.asarray(image.dataobj).T, masks)
    assert np.allclose(image.affine, affine_of(PHANTOM))
    assert b"not a medical device" in image.header["descrip"].tobytes()


def test_slices_claimed_with_a_volume_come_first_and_only_one_volume_is_claimed(
    runtime: Runtime, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = (to_nifti(PHANTOM), "nifti")
    ids = put(runtime, user_id, png(), volume, volume, png())
    real, before = worker.volume_batch.analyse, []

    def watched(*arguments):
        before.extend(status_of(runtime, job_id)[0] for job_id in ids)
        return real(*arguments)

    monkeypatch.setattr(worker.volume_batch, "analyse", watched)

    assert work_on_due(runtime) == 2
    assert before == [Status.SUCCEEDED, Status.RUNNING, Status.QUEUED, Status.QUEUED]
    assert (work_on_due(runtime), work_on_due(runtime), work_on_due(runtime)) == (1, 1, 0)
    assert {status_of(runtime, job_id)[0] for job_id in ids} == {Status.SUCCEEDED}
    assert_sound(runtime)


def test_others_are_called_for_what_is_due_behind_a_volume(
    database: Database, storage: FolderStorage, segmenter: Segmenter, sandbox: Sandbox, user_id: str
) -> None:
    called: list[list[str]] = []
    runtime = Runtime("host:1:a", load_settings({}), database, storage, segmenter, sandbox, called.append)
    put(runtime, user_id, png())
    work_on_due(runtime)
    assert called == []

    (second,) = put(runtime, user_id, (to_nifti(PHANTOM), "nifti"))
    work_on_due(runtime)

    assert called == [[second]]


def test_progress_is_shown_between_slices_and_never_goes_back(
    runtime: Runtime, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job_id,) = put(runtime, user_id, (to_nifti(PHANTOM), "nifti"))
    shown: list[tuple[Phase, int | None]] = []
    real = worker.pulse.Pulse.turn_to

    def noted(pulse, phase, claims, percent=None):
        shown.append((phase, percent))
        real(pulse, phase, claims, percent)
        pulse._show()

    monkeypatch.setattr(worker.pulse.Pulse, "turn_to", noted)

    work_on_due(runtime)

    percents = [percent for _, percent in shown if percent is not None]
    assert shown[0] == (Phase.DECODING, None)
    assert percents == sorted(percents) and len(set(percents)) > 30
    assert percents[-1] == 98
    assert status_of(runtime, job_id)[0] == Status.SUCCEEDED


@pytest.mark.parametrize("phase", ["infer_volume", "measure_case_volume"])
def test_a_volume_that_is_cancelled_ends_between_slices_and_leaves_nothing(
    runtime: Runtime, user_id: str, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    long = draw_volume(2, side=256, slice_count=120, distance_mm=2.0)
    (job_id,) = put(runtime, user_id, (to_nifti(long), "nifti"))
    real, looks = getattr(worker.volume_batch, phase), []

    def cancelled_meanwhile(case, segmenter, look):
        runtime.database.run(lambda c: control.cancel(c, user_id, job_id))

        def counted(share):
            looks.append(share)
            look(share)

        return real(case, segmenter, counted)

    monkeypatch.setattr(worker.volume_batch, phase, cancelled_meanwhile)

    work_on_due(runtime)

    assert status_of(runtime, job_id) == (Status.CANCELLED, None)
    assert 0 < looks[-1] < 1
    with runtime.database.read() as connection:
        assert connection.execute(select(slices)).first() is None
    assert_sound(runtime)
    # The decoder, stopped in the midst of the volume, reads the next one.
    (after,) = put(runtime, user_id, (to_nifti(PHANTOM), "nifti"))
    work_on_due(runtime)
    assert status_of(runtime, after) == (Status.SUCCEEDED, None)


def test_a_worker_that_lost_a_volume_writes_nothing(runtime: Runtime, user_id: str) -> None:
    (job_id,) = put(runtime, user_id, (to_nifti(PHANTOM), "nifti"))
    claims = runtime.database.run(lambda c: claim_due(c, "frozen", limit=8, lease_s=-1, deadline_s=900))
    runtime.database.run(lambda c: reap_expired(c, actor="keeper", max_attempts=5, max_crashes=3))

    work_on(runtime, claims)

    assert status_of(runtime, job_id)[0] == Status.QUEUED
    work_on_due(runtime)
    assert status_of(runtime, job_id) == (Status.SUCCEEDED, None)
    assert_sound(runtime)


def test_a_decoder_that_dies_amid_a_volume_costs_an_attempt(
    runtime: Runtime, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job_id,) = put(runtime, user_id, (to_nifti(draw_volume(2, side=256, slice_count=60)), "nifti"))
    real = worker.volume_batch.infer_volume

    def killed(*arguments):
        runtime.sandbox.process.kill()
        runtime.sandbox.process.wait()
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(worker.volume_batch, "infer_volume", killed)
        work_on_due(runtime)
    assert status_of(runtime, job_id) == (Status.QUEUED, "internal")

    while not work_on_due(runtime):
        pass
    assert status_of(runtime, job_id) == (Status.SUCCEEDED, None)
    assert_sound(runtime)


def test_a_bad_volume_fails_with_its_reason(runtime: Runtime, user_id: str) -> None:
    (job_id,) = put(runtime, user_id, (to_nifti(PHANTOM, packed=False)[:-1000], "nifti"))

    work_on_due(runtime)

    assert status_of(runtime, job_id) == (Status.FAILED, "truncated")


def test_memory_holds_neither_the_voxels_nor_their_probabilities(segmenter: Segmenter) -> None:
    count, side = 300, 512
    phantom = draw_volume(1, side=side, slice_count=2, distance_mm=1.0, radii_mm=(20.0,))
    shown = to_display(phantom.hu[0].astype(np.float32))
    grid = Grid((side, side, count), tuple(map(tuple, affine_of(phantom).tolist())))
    volume = Volume((shown.copy() for _ in range(count)), grid, grid.spacing_mm, grid.slice_distance_mm, "nifti")
    case = VolumeCase("a" * 64, volume, {})

    tracemalloc.start()
    infer_volume(case, segmenter, lambda share: None)
    outcome = measure_case_volume(case, segmenter, lambda share: None)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert outcome.result["liver_area_px"] > 0
    # A mask of a byte a voxel, the network's maps, and a few slices at a time.
    maps_bytes = count * 2 * 2 * segmenter.contract.side**2
    assert peak_bytes < count * side**2 + maps_bytes + 40_000_000


def test_deleting_a_job_removes_its_slices(runtime: Runtime, user_id: str) -> None:
    (job_id,) = put(runtime, user_id, (to_nifti(PHANTOM), "nifti"))
    work_on_due(runtime)

    runtime.database.run(lambda c: control.delete_job(c, user_id, job_id))

    with runtime.database.read() as connection:
        assert [connection.execute(select(t)).first() for t in (slices, artifacts, lesions, results)] == [None] * 4
