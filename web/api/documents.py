"""From rows to what the API says; pages show the same."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from flask import request, url_for
from sqlalchemy import Row

from shared.intended_use import INTENDED_USE
from shared.jobs.states import Status
from web.queries import SummaryRow

SUMMARY_COLUMNS = (
    "tumor_detected", "confidence", "stage", "stage_rule", "affected_percent", "lesion_count", "scope", "slice_count",
)  # fmt: skip
WHOLE_COLUMNS = (
    "liver_area_px", "tumor_area_px", "liver_volume_ml", "tumor_volume_ml", "code_version", "input_sha256",
    "mask_sha256",
)  # fmt: skip
PICTURES = ("mask", "overlay", "preview", "thumbnail", "probability", "uncertainty")
PICTURES_OF_VOLUME = ("mask", "overlay", "preview", "thumbnail", "mask_nifti")
ENDPOINTS = {
    "self": "jobs.read",
    "page": "pages.job",
    "original": "artifacts.original",
    "cancel": "job_actions.cancel_job",
    "retry": "job_actions.retry_job",
}
PLAIN = tuple(ENDPOINTS)
PICTURED = {"slice": (*PLAIN, *PICTURES), "volume": (*PLAIN, *PICTURES_OF_VOLUME)}
SOME_ID = "0" * 26


def iso(at_ms: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC with milliseconds."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_status(row: SummaryRow) -> dict[str, Any]:
    """Return how a job stands, and nothing else."""
    return {
        "id": row.id,
        "status": row.status,
        "phase": row.phase,
        "progress": row.progress_percent,
        "cancel_requested": row.cancel_requested_ms is not None,
    }


def job_summary(row: SummaryRow) -> dict[str, Any]:
    """Return a job as lists show it."""
    has_result = row.tumor_detected is not None
    return job_status(row) | {
        "attempt": row.attempt,
        "label": row.label,
        "format": row.format,
        "size_bytes": row.size_bytes,
        "submission": {"id": row.submission_id, "index": row.submission_index, "count": row.scan_count},
        "created_at": iso(row.created_ms),
        "started_at": iso(row.started_ms),
        "finished_at": iso(row.finished_ms),
        "error": {"code": row.error_code, "detail": row.error_detail} if row.error_code else None,
        "result": {name: getattr(row, name) for name in SUMMARY_COLUMNS} if has_result else None,
        "links": links(row),
    }


def job_whole(row: Row, position: int | None) -> dict[str, Any]:
    """Return a job with its place in the queue and its whole result."""
    return job_summary(row) | {"position": position, "result": result_whole(row)}


def result_whole(row: Row) -> dict[str, Any] | None:
    """Return a job's whole result, if it has one."""
    if row.tumor_detected is None:
        return None
    columns = {name: getattr(row, name) for name in (*SUMMARY_COLUMNS, *WHOLE_COLUMNS)}
    model = {"name": row.model_name, "version": row.model_version, "sha256": row.model_sha256}
    report: dict[str, Any] = row.report
    return report | columns | {"model": model, "intended_use": INTENDED_USE}


def links(row: SummaryRow) -> dict[str, str]:
    """Return where to go from a job."""
    pattern = PICTURED[row.scope] if row.status == Status.SUCCEEDED else PLAIN
    return {name: url.replace(SOME_ID, row.id) for name, url in link_patterns(request.script_root, pattern).items()}


@cache
def link_patterns(script_root: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return the links of some job, made once: eleven look-ups for each of 200 jobs were most of their answer's time.

    Args:
        script_root: the path the site lies under, which `url_for` puts before each.
        names: which links.
    """
    return {name: url_for(ENDPOINTS.get(name, f"artifacts.{name}"), job_id=SOME_ID) for name in names}
