"""What the client prints and writes."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from shared.intended_use import INTENDED_USE

if TYPE_CHECKING:
    from web.client import Item

COLUMNS = ("file", "job", "status", "tumor", "stage", "affected_percent", "lesions", "detail")


def cells(item: "Item") -> dict[str, Any]:
    """Return a file's row."""
    result = item.job.get("result") or {}
    found = result.get("tumor_detected")
    return {
        "file": item.path.name,
        "job": item.job.get("id", ""),
        "status": item.status,
        "tumor": "" if found is None else ("yes" if found else "no"),
        "stage": result.get("stage") or "",
        "affected_percent": "" if result.get("affected_percent") is None else f"{result['affected_percent']:.2f}",
        "lesions": result.get("lesion_count", ""),
        "detail": item.detail,
    }


def print_table(items: list["Item"], url: str) -> None:
    """Print an aligned table and where to look further."""
    rows = [dict(zip(COLUMNS, COLUMNS, strict=True)), *({k: str(v) for k, v in cells(i).items()} for i in items)]
    widths = {name: max(len(row[name]) for row in rows) for name in COLUMNS}
    for row in rows:
        print("  ".join(row[name].ljust(widths[name]) for name in COLUMNS).rstrip())
    succeeded = sum(item.status == "succeeded" for item in items)
    print(f"\n{succeeded} of {len(items)} succeeded. See them at {url}/jobs")
    print(INTENDED_USE)


def write_csv(target: str, items: list["Item"]) -> None:
    """Write a row a file as CSV; the first line is a comment with the intended use."""
    with opened(target) as out:
        out.write(f"# {INTENDED_USE}\n")
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(cells(item) for item in items)


def write_json(target: str, items: list["Item"]) -> None:
    """Write everything as JSON."""
    document = {
        "intended_use": INTENDED_USE,
        "scans": [{"file": item.path.name, "refusal": item.refusal, "job": item.job or None} for item in items],
    }
    with opened(target) as out:
        json.dump(document, out, indent=2)
        out.write("\n")


@contextmanager
def opened(target: str) -> Iterator[TextIO]:
    """Open a file to write, or standard output for "-"."""
    if target == "-":
        yield sys.stdout
        return
    with open(target, "w", newline="", encoding="utf-8") as file:
        yield file
