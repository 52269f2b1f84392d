"""Save everything, and put it back: `python -m shared.backup save|restore FOLDER`.

The tables are written as lines of JSON from one snapshot, while hepaq runs; so a copy taken on SQLite can be put back
on MySQL. Scans are copied after the tables: one that is uploaded meanwhile is a scan too many, which does no harm,
never one too few. Restoring takes empty tables and an empty storage, and checks every scan against its name.
"""

import argparse
import base64
import gzip
import io
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from sqlalchemy import Connection, Row, Table, insert, select
from tqdm import tqdm

from shared.database import Database
from shared.errors import ServiceError
from shared.migrate import migrate
from shared.settings import Settings, load_settings
from shared.storage import Storage, open_storage, verified
from shared.tables import metadata, users

BATCH = 500
ABOUT, SCANS = "about.json", "scans"
MOST_BYTES = 2**40


class CannotRestore(Exception):
    """The copy cannot be put back here; the message says why."""


def save(database: Database, storage: Storage, folder: Path) -> int:
    """Write a copy into a folder, which may hold an older one; return the number of scans."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with database.snapshot() as connection:
        for table in metadata.sorted_tables:
            with gzip.open(folder / f"{table.name}.jsonl.gz", "wt", encoding="utf-8") as file:
                for row in connection.execution_options(yield_per=BATCH).execute(select(table)):
                    file.write(json.dumps(to_json(row)) + "\n")
        revision = MigrationContext.configure(connection).get_current_revision()
    scans = 0
    for name in tqdm(storage.names(unused_for_s=0), desc="scans", unit="scan", mininterval=1):
        scans += 1
        path = folder / SCANS / name[:2] / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            aside = path.with_suffix(".part")
            aside.write_bytes(storage.get(name))
            aside.rename(path)
    # Last: a folder without it is no whole copy.
    (folder / ABOUT).write_text(json.dumps({"revision": revision, "scans": scans}))
    return scans


def restore(settings: Settings, folder: Path) -> int:
    """Put a copy back into an empty database and storage; return the number of scans.

    Raises:
        CannotRestore: no whole copy, another version's, or something is there already.
    """
    if not (folder / ABOUT).exists():
        raise CannotRestore(f"{folder} holds no whole copy.")
    about = json.loads((folder / ABOUT).read_text())
    migrate(settings.effective_database_url)
    database, storage = Database(settings.effective_database_url), open_storage(settings.effective_storage_url)
    try:
        with database.transaction() as connection:
            check_empty(connection, storage, about["revision"])
            for table in metadata.sorted_tables:
                for rows in batched(read_rows(folder, table)):
                    connection.execute(insert(table), rows)
        return put_back(storage, folder / SCANS)
    finally:
        database.close()


def check_empty(connection: Connection, storage: Storage, revision: str) -> None:
    """Refuse to overwrite anything.

    Raises:
        CannotRestore: there are users or scans here, or the copy is of other tables.
    """
    here = MigrationContext.configure(connection).get_current_revision()
    if here != revision:
        raise CannotRestore(f"The copy is of the tables' revision {revision}, here is {here}; use that version's code.")
    if connection.execute(select(users.c.id).limit(1)).first() or next(storage.names(unused_for_s=0), None):
        raise CannotRestore("There are users or scans here already; restore into an empty database and storage.")


def put_back(storage: Storage, folder: Path) -> int:
    """Store every scan of a copy, checked against its name; return how many.

    Raises:
        CorruptObject: a scan is not what its name says.
    """
    count = 0
    for path in tqdm(sorted(folder.glob("*/*")), desc="scans", unit="scan", mininterval=1):
        if path.suffix != ".part":
            storage.put(io.BytesIO(verified(path.name, path.read_bytes())), limit_bytes=MOST_BYTES)
            count += 1
    return count


def to_json(row: Row) -> dict[str, Any]:
    """Return a row as JSON can say it."""
    return {k: {"base64": base64.b64encode(v).decode()} if isinstance(v, bytes) else v for k, v in row._mapping.items()}


def read_rows(folder: Path, table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table's file."""
    with gzip.open(folder / f"{table.name}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            binary = {k for k, v in row.items() if isinstance(v, dict) and v.keys() == {"base64"}}
            yield row | {name: base64.b64decode(row[name]["base64"]) for name in binary}


def batched(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield lists of rows."""
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        yield batch


def main() -> int:
    """Save or restore, with the settings of the environment."""
    parser = argparse.ArgumentParser(prog="python -m shared.backup")
    parser.add_argument("do", choices=("save", "restore"))
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    settings = load_settings()
    try:
        if args.do == "restore":
            print(f"Restored, with {restore(settings, args.folder)} scans.")
            return 0
        database = Database(settings.effective_database_url)
        scans = save(database, open_storage(settings.effective_storage_url), args.folder)
        database.close()
        print(f"Saved to {args.folder}, with {scans} scans.")
    except (CannotRestore, ServiceError, OSError) as error:
        print(f"Not done: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
