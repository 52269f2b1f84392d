"""How templates write times, numbers and identifiers."""

from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from shared.intended_use import INTENDED_USE
from shared.version import VERSION
from web.pages.blueprint import blueprint

MS_PER_S = 1000
NOTHING = "–"
KINDS = {"nifti": "NIfTI volume", "dicom_series": "DICOM series"}


@blueprint.app_context_processor
def constants() -> dict[str, str]:
    """What every page says."""
    return {"intended_use": INTENDED_USE, "version": VERSION}


@blueprint.app_template_filter()
def moment(at: int | str | None) -> Markup | str:
    """Write a time, in ms since 1970 or ISO 8601, as a UTC time that the page's script turns into an age."""
    if at is None:
        return NOTHING
    when = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at / MS_PER_S, UTC)
    exact = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" data-age>{:%Y-%m-%d %H:%M} UTC</time>').format(exact, when)


@blueprint.app_template_filter()
def clock(at: str | None) -> Markup | str:
    """Write an ISO 8601 time as a time of day."""
    if at is None:
        return NOTHING
    return Markup('<time datetime="{}">{:%H:%M:%S}</time>').format(at, datetime.fromisoformat(at))


@blueprint.app_template_filter()
def number(value: float | None, digits: int = 0) -> str:
    """Write a number with thousands apart, or a dash."""
    return NOTHING if value is None else f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@blueprint.app_template_filter()
def percent(share: float | None, digits: int = 0) -> str:
    """Write a share of one as per cent, never as a certainty that was not measured."""
    if share is None:
        return NOTHING
    if 0.995 < share < 1:
        return "> 99 %"
    return "< 1 %" if 0 < share < 0.005 else f"{share * 100:.{digits}f} %"


@blueprint.app_template_filter()
def seconds(value: float | None) -> str:
    """Write a duration."""
    if value is None:
        return NOTHING
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


@blueprint.app_template_filter()
def duration(value_s: int) -> str:
    """Write a longer duration in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if value_s >= size:
            return f"{value_s // size} {unit}"
    return f"{value_s} s"


@blueprint.app_template_filter()
def size(size_bytes: int) -> str:
    """Write a number of bytes."""
    return f"{size_bytes / 1024**2:.1f} MiB" if size_bytes >= 1024**2 else f"{size_bytes / 1024:.0f} KiB"


@blueprint.app_template_filter()
def kind(form: str) -> str:
    """Name a format."""
    return KINDS.get(form, form.upper())


@blueprint.app_template_filter()
def short(identifier: str) -> str:
    """Write the end of an identifier, which differs where the beginnings are alike."""
    return identifier[-6:]


@blueprint.app_template_filter()
def title(job: dict[str, Any]) -> str:
    """Name a job: its label, else its place in its upload."""
    submission = job["submission"]
    place = f"Scan {submission['index']} of {submission['count']}" if submission["count"] > 1 else "Scan"
    return str(job["label"] or place)
