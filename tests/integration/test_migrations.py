"""Migrations make exactly the tables that the code speaks of, on every database, however many start at once."""

import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, inspect, select

from shared.database import Database
from shared.identifiers import new_id
from shared.migrate import migrate
from shared.tables import metadata, users

ROOT = Path(__file__).parents[2]


def test_the_migrated_tables_are_those_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(database_url: str) -> None:
    for _ in range(2):
        migrate(database_url)

    database = Database(database_url)
    assert set(metadata.tables) <= set(inspect(database.engine).get_table_names())
    database.close()


def test_four_starts_at_once_do_not_collide(database_url: str) -> None:
    code = "import sys; from shared.migrate import migrate; migrate(sys.argv[1])"

    starts = [
        subprocess.Popen([sys.executable, "-c", code, database_url], cwd=ROOT, stderr=subprocess.PIPE) for _ in range(4)
    ]
    said = [start.communicate()[1].decode() for start in starts]

    assert [start.returncode for start in starts] == [0] * 4, said


def test_text_keeps_every_script(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(insert(users).values(id=new_id(), name="肝臓 Käse 🩻", password_hash="-", created_ms=0))
        assert connection.execute(select(users.c.name)).scalar_one() == "肝臓 Käse 🩻"
