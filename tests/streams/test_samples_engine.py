"""Samples as values: how coarse each is, since when a group is still, and nothing lost in a row's JSON."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.samples import (
    FINE,
    GROUPS_KEPT,
    KEPT_FOR,
    MINUTE,
    TEN_MINUTES,
    TICK,
    GroupSample,
    mark_of,
    pack_groups,
    sample_of,
    unpack_groups,
)
from streams.engine.state import GroupState, StreamState

NOW = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)


def group(name: str = "pricing", *, lag: int | None = 5, pending: int = 0, delivered: str = "7-0") -> GroupState:
    return GroupState(name=name, lag=lag, pending=pending, consumers=1, last_delivered_id=delivered)


def state(*groups: GroupState) -> StreamState:
    return StreamState(stream="orders", exists=True, length=100, bytes=None, groups=groups)


def test_a_day_of_ticks_keeps_a_sample_a_minute_and_one_every_ten_minutes() -> None:
    at, previous, marks = NOW, None, Counter[int]()
    for _ in range(8640):
        marks[mark_of(at, previous=previous)] += 1
        at, previous = at + TICK, at
    assert marks == {FINE: 8640 - 1440, MINUTE: 1440 - 144, TEN_MINUTES: 144}


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=200))
def test_however_ticks_come_each_minute_and_each_ten_that_have_any_have_a_mark(gaps: list[int]) -> None:
    at, previous, marked, all_minutes, all_tens = NOW, None, {MINUTE: set(), TEN_MINUTES: set()}, set(), set()
    for gap in gaps:
        mark, seconds = mark_of(at, previous=previous), int(at.timestamp())
        all_minutes.add(seconds // 60)
        all_tens.add(seconds // 600)
        if mark >= MINUTE:
            marked[MINUTE].add(seconds // 60)
        if mark == TEN_MINUTES:
            marked[TEN_MINUTES].add(seconds // 600)
        at, previous = at + timedelta(seconds=gap), at
    assert marked == {MINUTE: all_minutes, TEN_MINUTES: all_tens}


def test_the_stated_bound_of_a_stream() -> None:
    ticks = {FINE: 6 * 360, MINUTE: (48 - 6) * 60, TEN_MINUTES: (192 - 48) * 6}
    assert sum(ticks.values()) == 5544
    assert [KEPT_FOR[mark] for mark in (FINE, MINUTE, TEN_MINUTES)] == [
        timedelta(hours=6),
        timedelta(days=2),
        timedelta(days=8),
    ]


def test_a_group_is_still_until_it_is_given_something_or_acknowledges() -> None:
    first = sample_of(state(group(pending=3)), previous=None, at=NOW)
    assert (first.groups[0].still_since, first.groups[0].moved) == (NOW, False)
    later = sample_of(state(group(pending=3, lag=9)), previous=first, at=NOW + 9 * TICK)
    assert (later.groups[0].still_since, later.groups[0].moved) == (NOW, False)  # lag grows by what others add
    acked = sample_of(state(group(pending=2)), previous=later, at=NOW + 10 * TICK)
    assert (acked.groups[0].still_since, acked.groups[0].moved) == (NOW + 10 * TICK, True)
    given = sample_of(state(group(pending=2, delivered="8-0")), previous=acked, at=NOW + 11 * TICK)
    assert given.groups[0].still_since == NOW + 11 * TICK
    still = sample_of(state(group(pending=2, delivered="8-0")), previous=given, at=NOW + 99 * TICK)
    assert (still.groups[0].still_since, still.groups[0].moved) == (NOW + 11 * TICK, True)


def test_of_thousands_of_groups_those_that_need_most_are_kept() -> None:
    many = [group(f"g{number}", lag=number) for number in range(1000)]
    kept = sample_of(state(*many, group("unknown", lag=None)), previous=None, at=NOW).groups
    assert len(kept) == GROUPS_KEPT
    assert [one.name for one in kept[:2]] == ["g999", "g998"]


@given(
    st.lists(
        st.builds(
            GroupSample,
            name=st.text(),
            lag=st.one_of(st.none(), st.integers(0, 2**63)),
            pending=st.integers(0, 2**63),
            last_delivered_id=st.just("18446744073709551615-18446744073709551615"),
            still_since=st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
                lambda at: at.replace(microsecond=0)
            ),
            moved=st.booleans(),
        )
    )
)
def test_a_row_loses_nothing(groups: list[GroupSample]) -> None:
    assert unpack_groups(json.loads(json.dumps(pack_groups(groups)))) == tuple(groups)
