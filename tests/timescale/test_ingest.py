"""Rows by COPY on each edition: what goes in, what a key that is there already does, and nothing of Django."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from tests.timescale.factories import at
from timescale.engine.edition import Edition
from timescale.ingest import SCANS, VOLUME_SLOTS, DuplicateRows, IngestError, Table, aio, copy_rows, merge_rows
from timescale.models import ScanResult, VolumeSlot


def row(time: datetime, symbol: str = "AAPL", price: str = "187.25") -> tuple[Any, ...]:
    known = {"time": time, "symbol": symbol, "session": "MARKET_OPEN", "price": Decimal(price), "rvol": 2.5}
    known |= {"filters_matched": ["gap", "rvol > 2"], "metadata": {"rank": 1, "note": 'a "b"\t\\'}}
    return tuple(known.get(column) for column in SCANS.columns)


def driver() -> psycopg.Connection[Any]:
    return connection.connection


def slot(number: int, volume: int) -> tuple[Any, ...]:
    return date(2026, 3, 10), "AAPL", number, None, volume, 1, None


def test_rows_arrive_as_they_were(database):
    """A dict is jsonb, a list an array, None NULL; characters that COPY gives a meaning come through."""
    assert copy_rows(driver(), SCANS, (row(at(14, 0, s)) for s in range(3))) == 3
    first = ScanResult.objects.order_by("time").first()
    assert (first.price, first.rvol, first.volume) == (Decimal("187.2500"), Decimal("2.5000"), None)
    assert first.filters_matched == ["gap", "rvol > 2"]
    assert first.metadata == {"rank": 1, "note": 'a "b"\t\\'}
    assert copy_rows(driver(), SCANS, []) == 0


@pytest.mark.parametrize(
    ("said", "comes_back"),
    [
        ({"filters_matched": []}, []),
        ({"filters_matched": ["a,b", 'c "d"', "{}", "NULL", "e\\f\tg", "é", None, ""]}, None),
        ({"metadata": {1: "a key that is no string", "huge": 2**70, "nested": [{"é": None}]}}, None),
        ({"metadata": {"not": float("nan"), "a": float("inf")}}, {"not": None, "a": None}),
    ],
)
def test_values_that_need_care_come_back(database, said, comes_back):
    """Twice each, as what was said before is not put into words again."""
    [(column, value)] = said.items()
    place = SCANS.columns.index(column)
    rows = [(*before[:place], value, *before[place + 1 :]) for before in (row(at(14)), row(at(15)))]
    copy_rows(driver(), SCANS, rows)
    wanted = json.loads(json.dumps(value)) if comes_back is None else comes_back
    assert list(ScanResult.objects.values_list(column, flat=True)) == [wanted, wanted]


def test_equal_elements_of_other_types_are_not_taken_for_the_same(database):
    numbers = Table("numbers", ("n", "of"), ("n",))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE numbers (n integer, of numeric[])")
    lists = [[Decimal("1.0")], [Decimal("1.00")], [1], [[1, 2], [3, 4]]]
    copy_rows(driver(), numbers, list(enumerate(lists)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT of::text FROM numbers ORDER BY n")
        assert [text for (text,) in cursor.fetchall()] == ["{1.0}", "{1.00}", "{1}", "{{1,2},{3,4}}"]


def test_the_columns_are_the_models(database):
    for table, model in ((SCANS, ScanResult), (VOLUME_SLOTS, VolumeSlot)):
        assert table.name == model._meta.db_table
        assert set(table.columns) == {field.column for field in model._meta.concrete_fields if field.column}
        assert set(table.key) == {field.column for field in model._meta.pk_fields}


def test_a_key_that_is_there_is_named_and_nothing_goes_in(database):
    copy_rows(driver(), SCANS, [row(at(14))])
    with pytest.raises(DuplicateRows, match=r"scan_results: Key .*AAPL.* already exists"), transaction.atomic():
        copy_rows(driver(), SCANS, [row(at(15)), row(at(14))])
    assert ScanResult.objects.count() == 1


def test_merging_leaves_what_is_there(database):
    copy_rows(driver(), SCANS, [row(at(14))])
    new = [row(at(14), price="1"), row(at(15), price="2"), row(at(15), price="3")]
    assert merge_rows(driver(), SCANS, new) == 1
    assert list(ScanResult.objects.order_by("time").values_list("price", flat=True)) == [Decimal("187.25"), 3]
    assert merge_rows(driver(), SCANS, new) == 0


def test_merging_with_replace_lets_rows_grow(database):
    """Twice in one transaction: the second merge knows nothing of the first one's rows."""
    assert merge_rows(driver(), VOLUME_SLOTS, [slot(1, 10), slot(2, 20), slot(1, 11)], replace=True) == 2
    assert merge_rows(driver(), VOLUME_SLOTS, [slot(1, 12)], replace=True) == 1
    volumes = VolumeSlot.objects.order_by("slot_number").values_list("slot_number", "volume_accumulated")
    assert list(volumes) == [(1, 12), (2, 20)]


def test_late_rows_go_into_compressed_chunks(database, edition):
    """And meet the keys that are in there."""
    copy_rows(driver(), SCANS, (row(at(14, 0, s)) for s in range(10)))
    if edition is Edition.COMMUNITY:
        with connection.cursor() as cursor:
            cursor.execute("SELECT compress_chunk(c) FROM show_chunks('scan_results') c")
    assert merge_rows(driver(), SCANS, (row(at(14, 0, s)) for s in range(5, 15))) == 5
    assert ScanResult.objects.count() == 15


def test_what_the_server_refuses_names_the_table(database):
    with pytest.raises(IngestError, match='nowhere: relation "nowhere" does not exist'), transaction.atomic():
        copy_rows(driver(), Table("nowhere", ("a",), ("a",)), [(1,)])
    with pytest.raises(IngestError, match="scan_results: "), transaction.atomic():
        merge_rows(driver(), SCANS, [row(at(14), price="1e20")])


def test_a_merge_ends_with_the_callers_transaction(migrated_url):
    """Also where it is the first statement of one."""
    with psycopg.connect(migrated_url) as own:
        assert merge_rows(own, VOLUME_SLOTS, [slot(1, 10)]) == 1
        own.rollback()
        assert own.execute("SELECT count(*) FROM volume_slots").fetchone() == (0,)


def test_asyncio_writes_the_same(migrated_url):
    async def write() -> tuple[int, int, int]:
        connect = psycopg.AsyncConnection.connect
        async with await connect(migrated_url) as own, own.transaction(force_rollback=True):
            copied = await aio.copy_rows(own, SCANS, [row(at(14))])
            merged = await aio.merge_rows(own, SCANS, [row(at(14)), row(at(14) + timedelta(seconds=1))])
            found = await (await own.execute("SELECT count(*) FROM scan_results")).fetchone()
            return copied, merged, found[0]

    assert asyncio.run(write()) == (1, 1, 2)


def test_it_needs_no_django(repository):
    code = "import sys, timescale.ingest.aio, timescale.ingest; print('django' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
