"""How the database goes about each query: by index, or through the whole table."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from shared.database import Database


@contextmanager
def statements_of(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that are sent inside the block, with their parameters."""
    sent: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if not many and statement.lstrip().split(None, 1)[0].upper() in ("SELECT", "UPDATE"):
            sent.append((statement, parameters))

    # On SQLite the reader is the engine in other clothes, and hears what is told to that.
    engines = [database.engine] if database.is_sqlite else [database.engine, database.reader]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


def bad_plans(database: Database, work: Callable[[], object]) -> list[str]:
    """Return what in a piece of work does not go by index: whole tables read, rows sorted in a temporary place."""
    with statements_of(database) as sent:
        work()
    found = []
    with database.read() as connection:
        for statement, parameters in sent:
            explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
            for row in connection.exec_driver_sql(explain + statement, parameters).mappings():
                problem = sqlite_problem(dict(row)) if database.is_sqlite else mysql_problem(dict(row))
                if problem:
                    found.append(f"{problem}: {' '.join(statement.split())[:120]}")
    return found


def sqlite_problem(row: dict[str, Any]) -> str | None:
    """Return a line of SQLite's plan if it is one to worry about."""
    detail = str(row["detail"])
    whole = detail.startswith("SCAN") and "CONSTANT ROW" not in detail and "subq" not in detail and "anon" not in detail
    return detail if whole or "TEMP B-TREE" in detail else None


def mysql_problem(row: dict[str, Any]) -> str | None:
    """Return a line of MySQL's plan if it is one to worry about."""
    if str(row["table"] or "").startswith("<derived"):
        return None
    sorts = "filesort" in str(row["Extra"] or "") and int(row["rows"] or 0) > 1000
    whole = row["type"] in ("ALL", "index") and int(row["rows"] or 0) > 1000
    return f"{row['table']} type={row['type']} rows={row['rows']} {row['Extra']}" if sorts or whole else None
