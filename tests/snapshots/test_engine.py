"""The engine's promise: what a reader rebuilds is what the source said, whatever the source says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshots.engine import chain
from snapshots.engine.delta import apply, diff_to
from snapshots.engine.state import from_records, reorder, to_records
from tests.snapshots import generators
from tests.snapshots.chains import Records, build, document, exact, flat, follow, made_anew


@pytest.mark.parametrize("sources", [generators.snapshots, generators.quiet_snapshots], ids=["anything", "quiet"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_reader_has_what_the_source_said_after_every_tick(sources: Any, data: st.DataObject) -> None:
    published = early = late = None
    for number, records in enumerate(data.draw(st.lists(sources, min_size=1, max_size=6))):
        full_due = data.draw(st.booleans())
        built = build(published, records, now_ms=number * (400_000 if full_due else 1))
        early = follow(early, built)
        if built.full is not None:
            late = chain.open_full(document(built.full))
        elif late is not None:
            late = follow(late, built)
        assert late is not None
        assert exact(to_records(early.state)) == exact(records)
        assert early.state == built.published.state == late.state
        assert early == built.published == late
        published = built.published


@given(before=generators.snapshots, after=generators.snapshots)
@settings(max_examples=200, deadline=None)
def test_applying_a_diff_gives_the_new_state_and_leaves_the_old(before: Records, after: Records) -> None:
    old = from_records(before)
    sum_before = old.checksum
    new = apply(old, delta=diff_to(old, records=flat(after)))
    assert exact(to_records(new)) == exact(after)
    assert exact(to_records(old)) == exact(before)
    assert made_anew(old).checksum == sum_before
    assert made_anew(new) == new
    assert made_anew(new).checksum == new.checksum, "a digest outlived its column"


@given(before=generators.quiet_snapshots, after=generators.quiet_snapshots)
@settings(max_examples=200, deadline=None)
def test_two_states_have_one_checksum_only_if_they_are_one(before: Records, after: Records) -> None:
    old, new = (reorder(from_records(dict(sorted(records.items()))), by=None) for records in (before, after))
    assert (old.checksum == new.checksum) == (exact(to_records(old)) == exact(to_records(new)))


def test_a_first_build_is_a_full_and_the_next_one_holds_only_what_changed() -> None:
    first = build(None, {"A": {"price": 10.01, "halted": False}, "B": {"price": 2, "halted": False}})
    assert (first.kind, first.reason, first.added) == ("full", "first build", 2)
    second = build(first.published, {"A": {"price": 10.02, "halted": False}, "B": {"price": 2, "halted": False}})
    assert (second.kind, second.updated, second.unchanged) == ("delta", 1, 1)
    assert second.delta is not None
    assert document(second.delta).body["groups"] == [{"rows": [0], "columns": {"price": {"d": 2, "v": [1]}}}]


def test_the_largest_volume_comes_first_in_a_full() -> None:
    built = build(None, {"A": {"volume": 5}, "B": {"volume": None}, "C": {"volume": 70.5}, "D": {"volume": 2**60}})
    assert built.full is not None
    assert document(built.full).body["symbols"] == ["C", "A", "B", "D"]


def test_a_symbol_that_comes_back_gets_a_row_of_its_own() -> None:
    one = build(None, {"A": {"p": 1}, "B": {"p": 2}})
    two = build(one.published, {"B": {"p": 2}})
    three = build(two.published, {"A": {"p": 1}, "B": {"p": 2}})
    assert three.published.state.symbols == [None, "B", "A"]
    reader = chain.open_full(document(one.full))
    for built in (two, three):
        reader = follow(reader, built)
    assert to_records(reader.state) == {"A": {"p": 1}, "B": {"p": 2}}


def test_missing_null_and_a_value_are_three_things() -> None:
    steps: list[Records] = [
        {"A": {"x": 1, "y": 0}},
        {"A": {"x": None, "y": 0}},
        {"A": {"y": 0}},
        {"A": {"x": 2, "y": 0}},
    ]
    built = build(None, steps[0])
    reader = follow(None, built)
    for records in steps[1:]:
        built = build(built.published, records)
        assert built.kind == "delta"
        reader = follow(reader, built)
        assert to_records(reader.state) == records


def test_a_scheduled_full_leaves_a_delta_for_those_who_follow() -> None:
    first = build(None, {"A": {"volume": 1}, "B": {"volume": 2}, "C": {"volume": 3}})
    second = build(first.published, {"A": {"volume": 9}, "C": {"volume": 3}}, now_ms=300_000)
    assert second.kind == "full"
    reader = follow(follow(None, first), second)
    assert reader == second.published == chain.open_full(document(second.full))
    assert reader.state.symbols == ["A", "C"]
