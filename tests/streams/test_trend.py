"""Trends and forecasts: exact on lines, flat on saws, and unknown wherever something is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.samples import GroupSample, Series, pack_groups
from streams.engine.trend import UNKNOWN, Trend, age_of, inflow_per_hour, time_to_full, trend_of, trend_of_points

NOW = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)
TICK = timedelta(seconds=10)


def ticks(values: list[float]) -> list[tuple[float, float]]:
    """The last of them now."""
    return [((NOW - TICK * (len(values) - 1 - at)).timestamp(), value) for at, value in enumerate(values)]


def samples(lengths: list[int], *, groups: list[tuple[GroupSample, ...]] | None = None, **columns: Any) -> Series:
    times = [at for at, _ in ticks(lengths)]
    none: list[int | None] = [None] * len(lengths)
    return Series(
        times=times,
        lengths=lengths,
        groups=list(zip(times, map(pack_groups, groups or ()), strict=False)),
        **{"bytes": none, "entries_added": none, **columns},
    )


def group(lag: int | None, name: str = "pricing") -> GroupSample:
    return GroupSample(name=name, lag=lag, pending=0, last_delivered_id="1-0", still_since=NOW, moved=False)


@given(start=st.integers(0, 10**9), step=st.integers(-(10**6), 10**6).filter(bool), count=st.integers(3, 400))
def test_a_line_is_told_exactly(start: int, step: int, count: int) -> None:
    trend = trend_of_points(ticks([float(start + step * at) for at in range(count)]))
    assert trend.per_hour == pytest.approx(step * 360, rel=1e-6)
    assert trend.word == ("rising" if step > 0 else "falling")


@given(values=st.lists(st.integers(0, 10**9), min_size=3, max_size=60), up=st.integers(-(10**6), 10**6))
def test_only_differences_count(values: list[int], up: int) -> None:
    low, high = (trend_of_points(ticks([float(value + more) for value in values])) for more in (0, up))
    assert low.per_hour == pytest.approx(high.per_hour, rel=1e-6, abs=1e-2)


@given(values=st.lists(st.integers(0, 10**6), min_size=3, max_size=60))
def test_turned_around_in_time_it_turns_its_sign(values: list[int]) -> None:
    ahead, back = trend_of_points(ticks([*map(float, values)])), trend_of_points(ticks([*map(float, values[::-1])]))
    assert ahead.per_hour == pytest.approx(-(back.per_hour or 0), rel=1e-6, abs=1e-2)
    assert (ahead.word, back.word) in {("flat", "flat"), ("rising", "falling"), ("falling", "rising")}


@given(teeth=st.integers(4, 40), high=st.integers(5, 50), floor=st.integers(0, 10**6))
def test_trims_make_no_trend(teeth: int, high: int, floor: int) -> None:
    saw = [float(floor + at % high) for at in range(teeth * high)]
    assert trend_of_points(ticks(saw)).word == "flat"


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 6.0]])
def test_too_little_is_unknown(values: list[float]) -> None:
    assert trend_of_points(ticks(values)) == UNKNOWN


@given(counts=st.lists(st.one_of(st.none(), st.integers(0, 10**9)), max_size=40))
def test_the_inflow_is_never_negative_and_none_where_nothing_is_known(counts: list[int | None]) -> None:
    flow = inflow_per_hour(samples([0] * len(counts), entries_added=counts))
    pairs = [pair for pair in pairwise(counts) if None not in pair]
    assert (flow is None) == (not pairs)
    assert flow is None or flow >= 0


@given(adds=st.lists(st.integers(0, 10**6), min_size=1, max_size=40), trimmed=st.integers(0, 100))
def test_the_inflow_counts_what_was_added_whatever_was_trimmed(adds: list[int], trimmed: int) -> None:
    counts = [sum(adds[:at]) for at in range(len(adds) + 1)]
    flow = inflow_per_hour(samples([trimmed] * len(counts), entries_added=counts))
    assert flow == pytest.approx(sum(adds) * 3600 / (10 * len(adds)))


def test_a_key_that_was_made_again_counts_from_its_beginning() -> None:
    assert inflow_per_hour(samples([0] * 3, entries_added=[1_000_000, 40, 100])) == pytest.approx(100 * 3600 / 20)


@given(length=st.integers(0, 10**9), ceiling=st.integers(1, 10**9), rate=st.floats(0.1, 1e9))
def test_at_its_rate_it_is_full_when_told(length: int, ceiling: int, rate: float) -> None:
    told = time_to_full(length, ceiling=ceiling, growth=Trend("rising", rate))
    if length >= ceiling:
        assert told == timedelta()
    elif told is None:
        assert (ceiling - length) / rate > 8 * 24
    else:
        assert length + rate * told / timedelta(hours=1) == pytest.approx(ceiling, rel=1e-6, abs=1)


@pytest.mark.parametrize("growth", [UNKNOWN, Trend("flat", 0.4), Trend("falling", -100.0)])
def test_what_does_not_rise_is_never_full(growth: Trend) -> None:
    assert time_to_full(10, ceiling=20, growth=growth) is None


def test_a_held_stream_is_full_in_time_and_a_trimmed_one_never() -> None:
    held = samples([1300 + at for at in range(60)], entries_added=[9000 + at for at in range(60)])
    told = trend_of(held, now=NOW, ceiling=1719, bounded_at=1200)
    assert told.full_in == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=1))
    assert told.growth.word == "rising" and told.inflow_per_hour == pytest.approx(360)
    assert trend_of(held, now=NOW, ceiling=1719, bounded_at=1400).full_in is None
    assert trend_of(held, now=NOW).full_in is None


def test_a_group_that_just_stopped_is_forecast_from_its_last_minutes() -> None:
    """Not from the hour, in which trims still reached the stream."""
    lengths = [1000 + at % 20 for at in range(300)] + [1200 + 2 * at for at in range(60)]
    told = trend_of(samples(lengths), now=NOW, ceiling=1318 + 720, bounded_at=1200)
    assert told.full_in == pytest.approx(timedelta(hours=1), rel=0.3)


def test_what_was_sampled_long_ago_says_nothing_of_now() -> None:
    told = trend_of(samples([1, 2, 3, 4]), now=NOW + timedelta(minutes=1), ceiling=10)
    assert (told.growth, told.growth_bytes, told.inflow_per_hour) == (UNKNOWN, UNKNOWN, None)
    assert (told.lags, told.full_in, told.oldest_age) == ({}, None, None)


def test_bytes_that_nobody_knows_have_no_growth() -> None:
    assert trend_of(samples([1, 2, 3], bytes=[None, None, None]), now=NOW).growth_bytes == UNKNOWN
    known = trend_of(samples([1, 2, 3, 4], bytes=[100, None, 300, 400]), now=NOW).growth_bytes
    assert known.word == "rising" and known.per_hour == pytest.approx(36_000)


def test_each_group_has_its_own_direction() -> None:
    groups = [(group(at * 5, "behind"), group(100 - at, "ahead"), group(None, "new")) for at in range(10)]
    lags = trend_of(samples([100] * 10, groups=groups), now=NOW).lags
    assert (lags["behind"].word, lags["behind"].per_hour) == ("rising", pytest.approx(1800))
    assert lags["ahead"].word == "falling" and lags["new"] == UNKNOWN


@pytest.mark.parametrize(
    ("entry_id", "told"),
    [
        (None, None),
        ("17-0", None),
        (f"{int(NOW.timestamp() * 1000) - 90_000}-3", timedelta(seconds=90)),
        (f"{int(NOW.timestamp() * 1000) + 5}-0", timedelta()),
        (f"{int(NOW.timestamp() * 1000) + 10**9}-0", None),
    ],
)
def test_an_id_has_an_age_where_it_is_a_time(entry_id: str | None, told: timedelta | None) -> None:
    assert age_of(entry_id, now=NOW) == told
