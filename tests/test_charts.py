"""Charts as values: nothing leaves its frame, nothing known is lost or made up, sessions are New York's."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeul_ops import charts, sparklines
from tradeul_ops.market_sessions import market_sessions

NOW = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)  # a Wednesday, 11 o'clock in New York
HOUR = timedelta(hours=1)
values = st.lists(st.one_of(st.none(), st.floats(0, 1e15)), max_size=300)


def every(seconds: float, numbers: list[float | None]) -> list[charts.Point]:
    """The last of them now."""
    last = len(numbers) - 1
    return [(NOW - timedelta(seconds=seconds * (last - at)), number) for at, number in enumerate(numbers)]


def drawn(numbers: list[float | None], **options: Any) -> charts.Chart:
    return charts.chart(every(10, numbers), since=NOW - HOUR, until=NOW, **options)


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.e+-]+) ([\d.e+-]+)", path)]


@given(values, st.one_of(st.none(), st.floats(1, 1e15)))
def test_a_sparkline_stays_in_its_frame(numbers: list[float | None], limit: float | None) -> None:
    spark = sparklines.sparkline([(at.timestamp(), number) for at, number in every(10, numbers)], limit=limit)
    known = [number for number in numbers if number is not None]
    assert (spark.lowest, spark.highest) == (min(known, default=None), max(known, default=None))
    assert (spark.last is None) == (not known)
    dots = [*places(spark.path), *([spark.last] if spark.last else []), *([(0, spark.limit)] if spark.limit else [])]
    assert all(0 <= x <= sparklines.WIDTH and 0 <= y <= sparklines.HEIGHT for x, y in dots)


@given(values, st.lists(st.floats(1, 1e15), max_size=3))
def test_a_chart_stays_in_its_frame_and_has_all_that_is_known(numbers: list[float | None], levels: list[float]) -> None:
    chart = drawn(numbers, levels=[charts.Level("maxlen", level, "limit") for level in levels])
    left, top, right, bottom = chart.plot
    known = [number for number in numbers if number is not None]
    assert chart.empty == (not known) and (chart.lowest, chart.highest) == (
        min(known, default=None),
        max(known, default=None),
    )
    dots = [*places(chart.path), *chart.dots, *((left, level.y) for level in chart.levels)]
    assert all(left <= x <= right and top <= y <= bottom for x, y in dots)
    assert chart.values[0] == (bottom, 0) and chart.values[-1][1] >= max([*known, *levels], default=0)
    assert 2 <= len(chart.values) <= 7


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=3000), st.integers(2, 500))
def test_thinning_keeps_the_peaks_the_last_and_the_order(numbers: list[float], most: int) -> None:
    points = [(at, number) for at, number in every(1, [*numbers]) if number is not None]
    kept = charts.thin(points, most=most)
    assert len(kept) <= most + 2
    assert min(kept, key=lambda point: point[1])[1] == min(numbers) and max(kept, key=lambda p: p[1])[1] == max(numbers)
    assert kept[-1] == points[-1] and set(kept) <= set(points) and kept == sorted(kept)


def test_what_is_not_known_is_a_hole_and_so_is_a_gap() -> None:
    assert drawn([1, 2, None, 3, 4]).path.count("M") == 2
    points = [*every(10, [1, 2]), *[(NOW - HOUR / 2, 5.0), (NOW - HOUR / 2 + timedelta(seconds=10), 6.0)]]
    chart = charts.chart(sorted(points), since=NOW - HOUR, until=NOW, gap=timedelta(seconds=30))
    assert chart.path.count("M") == 2
    lonely = drawn([None, 5, None])
    assert lonely.path == "" and len(lonely.dots) == 1 and lonely.last == lonely.dots[0]


def test_thinning_makes_no_gaps() -> None:
    day = every(60, [float(at % 100) for at in range(1440)])
    chart = charts.chart(day, since=NOW - 24 * HOUR, until=NOW, gap=timedelta(minutes=3))
    assert chart.path.count("M") == 1


def test_points_outside_the_time_asked_for_are_left_out() -> None:
    chart = charts.chart([(NOW - 2 * HOUR, 900.0), (NOW - HOUR / 2, 5.0)], since=NOW - HOUR, until=NOW)
    assert chart.highest == 5


def test_nothing_known_is_an_empty_chart_with_its_limit() -> None:
    chart = drawn([], levels=[charts.Level("maxlen", 1000, "limit")])
    assert chart.empty and chart.path == "" and chart.last is None
    assert [value for _, value in chart.values] == [0, 200, 400, 600, 800, 1000]


@pytest.mark.parametrize(
    ("highest", "last"), [(1719, 2000), (3000, 3000), (3001, 4000), (7, 8), (1, 1), (99_999, 100_000)]
)
def test_the_left_side_has_round_numbers(highest: float, last: float) -> None:
    assert drawn([highest]).values[-1][1] == last


def test_names_of_levels_make_room_for_one_another() -> None:
    levels = [charts.Level(name, value, "limit") for name, value in (("a", 1000), ("b", 1001), ("c", 1002))]
    ys = [level.label_y for level in drawn([1], levels=levels).levels]
    assert all(below - above >= 13 for below, above in itertools.pairwise(ys))


def test_marks_are_numbered_in_the_order_of_time() -> None:
    marks = [charts.Mark(NOW - HOUR * part, f"{part}", "") for part in (3, 0.5, 0.25)]
    chart = drawn([1], marks=marks)
    assert [(mark.number, mark.mark.text) for mark in chart.marks] == [(1, "0.5"), (2, "0.25")]


@pytest.mark.parametrize(
    ("day", "regular"),
    [("2026-07-01", (13.5, 20)), ("2026-01-07", (14.5, 21)), ("2026-03-09", (13.5, 20)), ("2026-11-02", (14.5, 21))],
)
def test_sessions_are_new_yorks_in_summer_and_in_winter(day: str, regular: tuple[float, float]) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    kinds = {kind: (begins, ends) for kind, _, begins, ends in market_sessions(midnight, midnight + 24 * HOUR)}
    assert kinds["regular"] == tuple(midnight + hours * HOUR for hours in regular)


def test_there_are_none_at_the_weekend_and_edges_are_cut() -> None:
    saturday = datetime(2026, 7, 4, 12, tzinfo=UTC)
    assert list(market_sessions(saturday, saturday + 24 * HOUR)) == []
    (only,) = market_sessions(NOW - HOUR, NOW)
    assert only[0] == "regular" and (only[2], only[3]) == (NOW - HOUR, NOW)
    week = list(market_sessions(NOW - 7 * 24 * HOUR, NOW))
    assert [kind for kind, *_ in week].count("regular") == 6  # five whole days, of the first and the last a part


@pytest.mark.parametrize("hours", [1, 6, 24, 7 * 24])
@pytest.mark.parametrize("width", [960, 360])
def test_times_have_room(hours: int, width: int) -> None:
    chart = charts.chart([], since=NOW - hours * HOUR, until=NOW, width=width)
    xs = [tick.place for tick in chart.times]
    assert len(xs) >= 2 and all(right - left >= 40 for left, right in itertools.pairwise(xs))
