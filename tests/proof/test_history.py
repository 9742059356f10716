"""The older scans: as many as asked for, the same on every server, and as large as the guide's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tradeul_ops.proof import history
from tradeul_ops.proof.before import INDEXES, TABLE
from tradeul_ops.proof.scale import SMALL

END = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)


@pytest.fixture
def connection(postgres_url: str):
    with psycopg.connect(postgres_url) as connection:
        connection.execute(TABLE)
        yield connection
        connection.rollback()


def test_rows_of_the_days_before(connection) -> None:
    scale = replace(SMALL, history_symbols=4, history_time=timedelta(hours=13))
    told: list[int] = []
    assert (
        history.fill(connection, scale=scale, end=END, told=told.append) == scale.history_rows == 4 * 780 == sum(told)
    )
    count, oldest, newest, keys, prices = connection.execute(
        "SELECT count(*), min(time), max(time), count(DISTINCT (time, symbol, session)), "
        "count(DISTINCT price) FROM scan_results"
    ).fetchone()
    assert (count, oldest, newest) == (3120, END - timedelta(hours=13), END - timedelta(minutes=1))
    assert keys == count, "two rows have one key"
    assert 100 < prices < count, "prices neither walk nor stand"


def test_a_row_is_as_large_as_the_guides(connection) -> None:
    for statement in INDEXES:
        connection.execute(statement)
    rows = history.fill(connection, scale=replace(SMALL, history_symbols=20, history_time=timedelta(hours=12)), end=END)
    [size] = connection.execute("SELECT pg_total_relation_size('scan_results')").fetchone()
    assert 600 < size / rows < 900  # 10 GB / 12.5 million rows are 837
