"""The command-line client: speaks HTTP to a running system, from any machine.

    python -m web.client submit folder --url http://127.0.0.1:8000      (token in HEPAQ_TOKEN)

Exit status: 0 all scans succeeded; 1 a scan was refused or failed; 2 wrong usage, or the server cannot be reached or
does not know the token; 3 not all ended in time. File names stay on this machine.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from web.client_http import CannotReach, Service
from web.client_output import print_table, write_csv, write_json

TERMINAL = {"succeeded", "failed", "dead", "cancelled"}
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".dcm", ".dicom", ".nii", ".gz", ".zip", ""}
BULK = 100
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 3.0


@dataclass
class Item:
    """One file and what became of it."""

    path: Path
    job: dict[str, Any] = field(default_factory=dict)
    refusal: str | None = None

    @property
    def status(self) -> str:
        """The job's status, or "refused" if there is none."""
        return "refused" if self.refusal else str(self.job.get("status", "lost"))

    @property
    def detail(self) -> str:
        """Why it did not succeed."""
        return self.refusal or (self.job.get("error") or {}).get("detail", "")


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files named, and from folders those that may be scans, in order.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    found = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file())
            found += [p for p in inside if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(path)
    return found


def submit_all(service: Service, paths: list[Path], *, label: str | None, parallel: int) -> list[Item]:
    """Upload every file as a job of its own, several at a time."""

    def submit_one(path: Path) -> Item:
        answer = service.submit(path.read_bytes(), label=label)
        return Item(path, job=answer) if "id" in answer else Item(path, refusal=answer["detail"])

    with ThreadPoolExecutor(parallel) as pool:
        return list(tqdm(pool.map(submit_one, paths), total=len(paths), desc="uploading", unit="scan"))


def wait_for_all(service: Service, items: list[Item], *, timeout_s: float) -> bool:
    """Poll until every job has ended; more slowly while nothing changes.

    Returns:
        Whether all ended in time.
    """
    waiting = {item.job["id"]: item for item in items if item.job}
    pause_s, give_up_s = FIRST_PAUSE_S, time.monotonic() + timeout_s
    with tqdm(total=len(waiting), desc="analysing", unit="scan") as bar:
        while waiting:
            stands = {job["id"]: job for ids in batched(list(waiting)) for job in service.read_statuses(ids)}
            for job_id, job in stands.items():
                waiting[job_id].job = (waiting[job_id].job or {}) | job
            ended = [job_id for job_id, job in stands.items() if job["status"] in TERMINAL]
            for ids in batched(ended):
                for job in service.read_many(ids):
                    waiting.pop(job["id"]).job = job
            bar.update(len(ended))
            if waiting and time.monotonic() > give_up_s:
                return False
            pause_s = FIRST_PAUSE_S if ended else min(LONGEST_PAUSE_S, pause_s * 1.5)
            time.sleep(pause_s if waiting else 0)
    return True


def batched(ids: list[str]) -> list[list[str]]:
    """Return ids in lists as long as one question may be."""
    return [ids[start : start + BULK] for start in range(0, len(ids), BULK)]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m web.client", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    submit = commands.add_parser("submit", help="submit files or folders, wait, and print what was found")
    submit.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    submit.add_argument("--url", default=os.environ.get("HEPAQ_URL", "http://127.0.0.1:8000"))
    submit.add_argument("--token", default=os.environ.get("HEPAQ_TOKEN", ""), help="better given in HEPAQ_TOKEN")
    submit.add_argument("--label", help="a pseudonym shown with the jobs; never a patient's name")
    submit.add_argument("--jobs", type=int, default=8, help="uploads at a time (default 8)")
    submit.add_argument("--no-wait", action="store_true", help="do not wait for the results")
    submit.add_argument("--timeout", type=float, default=3600, help="seconds to wait (default 3600)")
    submit.add_argument("--json", metavar="FILE", help="write everything as JSON; - for standard output")
    submit.add_argument("--csv", metavar="FILE", help="write a row a scan as CSV; - for standard output")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    args = parse_arguments(arguments)
    try:
        files = find_files(args.paths)
        if not files:
            raise FileNotFoundError("no scans in the folders named")
        service = Service(args.url, args.token)
        service.check_token()
        items = submit_all(service, files, label=args.label, parallel=max(1, args.jobs))
        in_time = args.no_wait or wait_for_all(service, items, timeout_s=args.timeout)
    except FileNotFoundError as error:
        print(f"Not found: {error}", file=sys.stderr)
        return 2
    except CannotReach as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        write_json(args.json, items)
    if args.csv:
        write_csv(args.csv, items)
    if "-" not in (args.json, args.csv):
        print_table(items, args.url)
    if not in_time:
        return 3
    accepted = ("succeeded", "queued", "running") if args.no_wait else ("succeeded",)
    return 0 if all(item.status in accepted for item in items) else 1


if __name__ == "__main__":
    sys.exit(main())
