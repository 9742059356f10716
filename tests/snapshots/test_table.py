"""The shortcuts of a tick say what the long way says: columns at once, numbers as arrays."""

from __future__ import annotations

import json
from collections import OrderedDict
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from snapshots.engine import chain, frame
from snapshots.engine.cells import MISSING, Flat, Json, flatten
from snapshots.engine.delta import apply, diff, diff_to
from snapshots.engine.errors import Unpublishable
from snapshots.engine.source import SourceUnreadable, changes_of_fields
from snapshots.engine.state import State, from_flat, to_records
from snapshots.engine.table import PORTION, tabulate
from snapshots.engine.thresholds import guide
from tests.snapshots import generators
from tests.snapshots.chains import build, document, exact, flat, follow, made_anew

NAN, INFINITE = float("nan"), float("inf")


class Level(IntEnum):
    HIGH = 3


def one_by_one(records: dict[str, Any]) -> tuple[dict[str, Flat], dict[str, str]]:
    flats, refused = {}, {}
    for symbol, record in records.items():
        try:
            flats[symbol] = flatten(record, symbol=symbol)
        except Unpublishable as error:
            refused[symbol] = str(error)
    return flats, refused


def same(records: dict[str, Any]) -> State:
    """The table, once it was compared with what `flatten` makes, the types of the cells included."""
    state, refused = tabulate(records)
    flats, expected = one_by_one(records)
    assert refused == expected
    assert state == from_flat(flats)
    columns = {name: column.cells() for name, column in state.columns.items()}
    for symbol, row in state.row_of.items():
        cells = {name: column[row] for name, column in columns.items() if column[row] is not MISSING}
        assert {name: (type(cell), cell) for name, cell in cells.items()} == {
            name: (type(cell), cell) for name, cell in flats[symbol].items()
        }
    assert state.checksum == made_anew(state).checksum
    return state


odd_values = st.one_of(
    generators.leaves, st.sampled_from([NAN, INFINITE, -INFINITE, object(), {1: 2}, [NAN], (1, 2), Level.HIGH, b"x"])
)
odd_records = st.one_of(st.dictionaries(generators.names, odd_values, max_size=4), st.sampled_from([None, [1], 7]))


@given(records=st.dictionaries(generators.symbols, odd_records, max_size=6))
@settings(max_examples=300, deadline=None)
@example({"A": {"x": 1.0}, "B": {"x": True}, "C": {"x": 2**53}, "D": {"x": float(2**53)}, "E": {"x": -0.0}})
@example({"A": {"x": 10**400}, "B": {"x": 0.5}})
@example({"A": {"x": None}, "B": {"x": NAN}, "C": {"x": 1.5}})
def test_a_table_is_what_flatten_makes_of_each_record(records: dict[str, Any]) -> None:
    same(records)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.0, -0.0, None, 0.1],
        [2**53 - 1, 2**53, -(2**53), 2**70, 10**400],
        [2**53, float(2**53), 1e300],
        [True, 1, 1.0, "1", None],
        ["\ud800", "ñ", "\u2028", ""],
        [{}, None, {"y": 1}, {"y": {"z": 2}}, [1]],
        [OrderedDict(y=1), MappingProxyType({"y": 2}), {"y": 3}],
        [np.float64(2.0), np.float64(0.5), Level.HIGH, 7],
        [NAN, None, 1.5, -INFINITE],
    ],
    ids=str,
)
def test_columns_of_many_kinds_across_portions(values: list[Any]) -> None:
    count = 2 * PORTION + 3
    same({f"S{n}": {"x": values[n % len(values)], "n": n} for n in range(count)})
    same({f"S{n}": {"x": values[n // PORTION]} if n // PORTION < len(values) else {} for n in range(count)})


def test_a_record_nested_deeper_than_columns_can_go_is_still_published_or_refused_by_name() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = {"d": deep}
    state, refused = tabulate({"A": {"x": 1}, "DEEP": {"x": deep}})
    assert (list(state.row_of), refused) == (["A"], {"DEEP": "DEEP: the record is nested too deeply."})


def test_fields_that_are_data_are_refused_before_they_take_memory() -> None:
    with pytest.raises(Unpublishable, match="different fields"):
        tabulate({f"S{n}": {f"f{n}-{k}": 1 for k in range(50)} for n in range(PORTION)})
    with pytest.raises(Unpublishable, match="different fields"):
        tabulate({f"S{n}": {f"f{n // PORTION}-{k}": 1 for k in range(3_000)} for n in range(PORTION + 1)})


def test_a_source_with_everything_odd_in_it() -> None:
    fields = {
        b"A": b'{"t":1755612345678901234,"big":18446744073709551616,"z":-0.0,"one":1.0,"u":"\\u00f1"}',
        b"B": b'{"t":1,"big":2,"z":0,"one":true,"u":null}',
        b"C": b'{"t":1,"t":7,"one":null}',
        b"D": b'{"t":NaN}',
        b"\xff": b"{}",
    }
    changes = changes_of_fields(fields, raw_before={}, published={"GONE": 0, "D": 1}, source="test")
    assert exact(to_records(changes.upserts)) == exact(
        {
            "A": {"t": 1755612345678901234, "big": 18446744073709551616, "z": 0, "one": 1, "u": "ñ"},
            "B": {"t": 1, "big": 2, "z": 0, "one": True, "u": None},
            "C": {"t": 7, "one": None},
        }
    )
    assert changes.upserts.columns["big"].cells()[0] == Json("18446744073709551616")
    assert list(changes.refused) == ["D", "\\xff"]
    assert changes.removals == ["GONE"]


TEXTS = [
    '{"price":1,"volume":2,"day":{"v":1,"o":2.5}}',
    '{"day":{"o":2.5,"v":1},"volume":2,"price":1}',
    '{"price":1,"price":7,"volume":null,"day":{"v":true,"o":-0.0}}',
    '{"price":NaN,"volume":2,"day":{"v":1,"o":1}}',
    '{"price":1e999,"volume":2,"day":{"v":1,"o":1}}',
    '{"price":18446744073709551616,"volume":-9223372036854775809,"day":{"v":1,"o":1}}',
    '{"price":1755612345678901234,"volume":-9223372036854775808,"day":{"v":18446744073709551615,"o":1E17}}',
    '{"price":"\\ud800","volume":"\\u00f1","day":{"v":[1,{"a":2}],"o":{}}}',
    '{"price":1,"volume":2,"day":null}',
    '{"price":1,"volume":2,"day":{}}',
    '{"price":{"x":1},"volume":2,"day":{"v":1,"o":1}}',
    '{"price":1,"volume":2}',
    '{"price":1,"volume":2,"day":{"v":1,"o":1,"h":3}}',
    '{"price":1,"volume":2,"day":{"v":1,"o":1}} {}',
    '{"a\\"b":1}',
    "\ufeff{}",
    "[1]",
    "",
]
texts = st.one_of(
    st.sampled_from(TEXTS), generators.tickers.map(json.dumps), generators.records.map(json.dumps), st.just(TEXTS[0])
)


@given(lines=st.lists(texts, min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_shape_reads_what_json_reads(lines: list[str]) -> None:
    """Whatever the first record looks like, from which the shape is learnt."""
    parsed, refused = {}, set()
    for number, line in enumerate(lines):
        try:
            parsed[f"S{number}"] = json.loads(line.encode())
        except ValueError:
            refused.add(f"S{number}")
    expected, unpublishable = tabulate(parsed)
    refused |= unpublishable.keys()
    fields = {f"S{number}".encode(): line.encode() for number, line in enumerate(lines)}
    if len(refused) == len(fields):
        with pytest.raises(SourceUnreadable):
            changes_of_fields(fields, raw_before={}, published={}, source="test")
        return
    changes = changes_of_fields(fields, raw_before={}, published={}, source="test")
    assert changes.refused.keys() == refused
    assert exact(to_records(changes.upserts)) == exact(to_records(expected))


def test_kinds_that_only_some_records_have_are_read_exactly() -> None:
    """More than one portion, so that its shape is learnt from a few; then an integer, a null and a text come along."""
    texts = {f"S{number}": f'{{"price":{number}.5,"at":{number},"of":{{"o":0.5}}}}' for number in range(2 * PORTION)}
    texts |= {
        "BIG": '{"price":9007199254740993,"at":9223372036854775808,"of":{"o":1}}',
        "NULL": '{"price":null,"at":1.5,"of":{"o":null}}',
        "TEXT": '{"price":"1","at":true,"of":{"o":[1]}}',
        "BAD": '{"price":',
    }
    fields = {symbol.encode(): text.encode() for symbol, text in texts.items()}
    changes = changes_of_fields(fields, raw_before={}, published={"S1": 0, "GONE": 1}, source="test")
    del texts["BAD"]
    assert changes.refused.keys() == {"BAD"}
    assert changes.removals == ["GONE"]
    expected = {symbol: json.loads(text) for symbol, text in texts.items()}
    assert exact(to_records(changes.upserts)) == exact(expected)


VALUES = [0, 1, 1.5, -2, None, True, False, "", "1", "x", 2**53 - 1, 2**53, float(2**53), [1], {}, "\ud800"]
maybe = st.one_of(st.just({}), st.sampled_from(VALUES).map(lambda value: {"x": value}))


@given(steps=st.lists(st.dictionaries(st.sampled_from("ABCD"), maybe, max_size=4), min_size=2, max_size=5))
@settings(max_examples=300, deadline=None)
def test_every_transition_is_seen(steps: list[dict[str, Any]]) -> None:
    state = flat(steps[0])
    assert state.checksum
    for records in steps[1:]:
        before, delta = to_records(state), diff_to(state, records=flat(records))
        changed = {(state.symbols[row], name) for name, (rows, _) in delta.changes.items() for row in rows.tolist()}
        assert changed == {
            (symbol, "x")
            for symbol in before.keys() & records.keys()
            if flatten(before[symbol], symbol="") != flatten(records[symbol], symbol="")
        }
        state = apply(state, delta=delta)
        assert exact(to_records(state)) == exact(records)
        assert state.checksum == made_anew(state).checksum


def test_rows_ascend_and_only_changed_cells_are_in_a_delta() -> None:
    state = flat({"A": {"p": 1, "s": "x"}, "B": {"p": 2, "s": "y"}, "C": {"p": 3, "s": None}})
    delta = diff(state, upserts=flat({"C": {"p": 3.0, "s": "z"}, "N": {"p": 9}, "A": {"p": 1.25, "s": "x"}}))
    assert {name: (rows.tolist(), column.cells()) for name, (rows, column) in delta.changes.items()} == {
        "p": ([0], [1.25]),
        "s": ([2], ["z"]),
    }
    assert (delta.updated, delta.added.symbols, list(delta.added.columns)) == (2, ["N"], ["p"])


def test_a_document_that_utf_8_cannot_say_is_published_all_the_same() -> None:
    first = build(None, {"A": {"name": "ñ", "other": 1.5}})
    assert first.full is not None
    assert "ñ".encode() in frame.unpack(first.full.stored)
    second = build(first.published, {"A": {"name": "\ud800", "other": 1e300}})
    reader = follow(chain.open_full(document(first.full)), second)
    assert to_records(reader.state) == {"A": {"name": "\ud800", "other": 1e300}}


moves = st.fixed_dictionaries(
    {"price": st.sampled_from([None, 100, 100.05, 100.2, -1]), "rvol": st.sampled_from([1, 1.04, 1.2, "x"])},
    optional={"size": st.sampled_from([1, 2, None])},
)


@given(before=st.lists(moves, min_size=4, max_size=4), after=st.lists(moves, min_size=4, max_size=4), data=st.data())
def test_a_ticker_waits_if_each_of_its_changes_may(before: list[Any], after: list[Any], data: st.DataObject) -> None:
    limits = data.draw(st.sampled_from([(0.001, 0.05), (0.001, None), (None, 0.05)]))
    thresholds = guide(*limits)
    shares = {"price": limits[0] or 0, "rvol": limits[1] or 0, "size": 1e9}
    state = flat(dict(zip("ABCD", before, strict=True)))
    delta = diff(state, upserts=flat(dict(zip("ABCD", after, strict=True))), thresholds=thresholds)
    waits = set()
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        changes = [(n, old.get(n, MISSING), new.get(n, MISSING)) for n in ("price", "rvol", "size")]
        changes = [change for change in changes if change[1] != change[2]]
        if changes and all(
            isinstance(was, int | float) and isinstance(now, int | float) and abs(now - was) <= shares[name] * abs(was)
            for name, was, now in changes
        ):
            waits.add(row)
    published = {row for rows, _ in delta.changes.values() for row in rows.tolist()}
    assert published.isdisjoint(waits)
    assert len(published) + len(waits) == sum(old != new for old, new in zip(before, after, strict=True))
    assert (set(delta.held), delta.updated) == (waits, len(published))
