"""Hot queries go by index, so that they cost the same however many jobs are stored."""

import pytest

from bench.growth.fill import fill
from bench.growth.operations import operations
from bench.growth.plans import bad_plans, statements_of
from shared.database import Database

COUNT = 3000


@pytest.fixture
def filled(database: Database, user_id: str) -> Database:
    """A database with many ended jobs."""
    fill(database, user_id, COUNT)
    return database


def test_no_hot_query_reads_a_whole_table(filled: Database, user_id: str) -> None:
    worries = {name: bad_plans(filled, work) for name, work in operations(filled, user_id, COUNT).items()}

    assert {name: found for name, found in worries.items() if found} == {}


@pytest.mark.parametrize(
    ("page", "index"),
    [
        ("list, first page", "ix_jobs_user"),
        ("list, from the middle", "ix_jobs_user"),
        ("list, failed only", "ix_jobs_user_status"),
    ],
)
def test_a_page_of_the_list_begins_where_the_page_begins(filled: Database, user_id: str, page: str, index: str) -> None:
    with statements_of(filled) as sent:
        operations(filled, user_id, COUNT)[page]()
    ((statement, parameters),) = sent

    with filled.read() as connection:
        plan = connection.exec_driver_sql(
            ("EXPLAIN QUERY PLAN " if filled.is_sqlite else "EXPLAIN ") + statement, parameters
        ).all()

    assert f"{index} " in str(plan) or f"'{index}'" in str(plan[0])
