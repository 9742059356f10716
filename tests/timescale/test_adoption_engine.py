"""What a standing table needs, and which window may be refreshed: decisions, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.timescale.factories import HOUR, at
from timescale.engine.adoption import (
    AddColumn,
    AllowNull,
    Column,
    Keep,
    Retype,
    SetAside,
    SetKey,
    Shape,
    Unfit,
    WantedShape,
    plan_table,
    step_of,
    widens,
)
from timescale.engine.refreshing import Window, fill_window, is_filled, refusal

MINUTE = timedelta(minutes=1)
TIME, SYMBOL = Column("time", "timestamp with time zone", False), Column("symbol", "text", False)
PRICE = Column("price", "numeric(14, 4)", True)
WANTED = WantedShape("ticks", (TIME, SYMBOL, PRICE), key=("time", "symbol"), fill={})


def standing(*columns: Column, **values) -> Shape:
    defaults = {"key": ("time", "symbol"), "key_name": "ticks_pkey", "readers": {}, "is_hypertable": False}
    defaults |= {"compressed_chunks": 0, "compressed_rows": 0, "rows": 1_000_000, "bytes": 10**8, "clashing": 0}
    return Shape(table="ticks", columns=columns, **{**defaults, **values})


def test_a_table_of_our_own_needs_nothing():
    assert plan_table(WANTED, standing(TIME, SYMBOL, Column("price", "numeric(14,4)", True))) == ()


def test_columns_are_added_widened_and_freed():
    found = standing(TIME, Column("symbol", "character varying(10)", False), Column("id", "bigint", False))
    assert plan_table(WANTED, found) == (
        Retype("symbol", "text", "character varying(10)"),
        AddColumn(PRICE, None),
        AllowNull("id"),
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [({"readers": {"price": ("v_top",)}}, "v_top reads it"), ({"compressed_chunks": 2}, "chunks are compressed")],
)
def test_what_cannot_be_widened_is_kept_and_said(values, why):
    [keep] = plan_table(WANTED, standing(TIME, SYMBOL, Column("price", "numeric(12,4)", True), **values))
    assert isinstance(keep, Keep)
    step = step_of(keep, standing(TIME))
    assert (step.changes, step.says) == (False, f"price stays numeric(12,4), not numeric(14,4): {why}")


def test_a_wider_column_than_ours_is_left():
    assert plan_table(WANTED, standing(TIME, SYMBOL, Column("price", "numeric(20,6)", True))) == ()


def test_rows_that_share_a_key_go_before_it_is_made():
    found = standing(TIME, SYMBOL, Column("price", "numeric(14,4)", True), key=(), key_name=None, clashing=7)
    assert plan_table(WANTED, found) == (
        SetAside(("time", "symbol"), decompress=False),
        SetKey(("time", "symbol"), None),
    )
    aside, key = (step_of(change, found) for change in plan_table(WANTED, found))
    assert (aside.rows, key.takes) == (7, timedelta(seconds=2.5))


def test_decompressing_takes_as_long_as_what_is_compressed_is_large():
    found = standing(TIME, SYMBOL, PRICE, key=(), key_name=None, clashing=7)
    some = replace(found, compressed_chunks=1, compressed_rows=150_000)
    [plain, more] = [step_of(plan_table(WANTED, shape)[0], shape).takes for shape in (found, some)]
    assert more - plain == timedelta(seconds=1)


@pytest.mark.parametrize("symbol", [Column("symbol", "bytea", False), None])
def test_a_key_that_cannot_be_had_is_unfit(symbol):
    with pytest.raises(Unfit, match=r"^ticks: .*symbol"):
        plan_table(WANTED, standing(*filter(None, (TIME, symbol, PRICE)), key=()))


@pytest.mark.parametrize(
    ("before", "after", "does"),
    [
        ("character varying(10)", "text", True),
        ("text", "character varying(10)", False),
        ("numeric(12,4)", "numeric(14,4)", True),
        ("numeric(12,4)", "numeric(12,6)", False),  # less before the point
        ("numeric", "numeric(14,4)", False),
        ("integer", "bigint", True),
        ("bigint", "integer", False),
        ("double precision", "numeric(14,4)", False),
    ],
)
def test_widening_keeps_each_value(before, after, does):
    assert widens(before, after) is does


# --- windows ---------------------------------------------------------------------------------------------------------
def test_an_empty_aggregate_begins_with_its_sources_first_bucket():
    window = fill_window(source_oldest=at(10, 20, 30), held_oldest=None, width=HOUR, until=at(14, 5))
    assert window == Window(at(10), at(14))


def test_a_bucket_that_is_held_is_not_computed_from_what_retention_left():
    window = fill_window(source_oldest=at(10, 20, 30), held_oldest=at(3), width=HOUR, until=at(14, 5))
    assert window == Window(at(11), at(14))
    assert refusal(Window(at(9), at(12)), source_oldest=at(10, 20), width=HOUR) is not None
    assert refusal(Window(at(10), at(12)), source_oldest=at(10, 20), width=HOUR) is None


def test_no_rows_or_no_whole_bucket_is_no_window():
    assert fill_window(source_oldest=None, held_oldest=None, width=HOUR, until=at(14)) is None
    assert fill_window(source_oldest=at(13, 10), held_oldest=at(13), width=HOUR, until=at(14)) is None


@pytest.mark.parametrize(
    ("held", "filled"),
    [
        ((None, None), False),
        ((at(12), at(13)), False),  # the beginning is missing
        ((at(10), at(13)), True),
        ((at(10), at(12)), True),  # the policy reaches that
        ((at(10), at(11)), False),  # a gap that it doesn't
    ],
)
def test_filled_is_what_the_policy_keeps_up(held, filled):
    window = Window(at(10), at(14))
    oldest, newest = held
    asked = {"held_oldest": oldest, "held_newest": newest, "source_newest": at(15), "width": HOUR, "reach": 2 * HOUR}
    assert is_filled(window, **asked) is filled
