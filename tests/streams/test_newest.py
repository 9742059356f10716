"""The last tick of all streams, and what they held together: one query each, and nothing of what is too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams.engine.samples import MINUTE, TICK, GroupSample, pack_groups
from streams.services.newest import NewestSample, bytes_of_all, newest_samples
from tests.streams.factories import make_sample

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)


def test_only_the_last_tick_counts(django_assert_num_queries: Any) -> None:
    make_sample(stream="gone", at=NOW - 2 * TICK, length=5)
    make_sample(stream="orders", at=NOW - 2 * TICK, length=100)
    make_sample(stream="orders", at=NOW - TICK, length=120, bytes=2400, first_id="1-0", mark=MINUTE)
    with django_assert_num_queries(1):
        found = newest_samples(now=NOW)
    assert found.keys() == {"orders"}
    assert (found["orders"].length, found["orders"].bytes, found["orders"].first_id) == (120, 2400, "1-0")


def test_a_tick_too_old_says_nothing_of_now() -> None:
    make_sample(stream="orders", at=NOW - timedelta(minutes=2))
    assert newest_samples(now=NOW) == {}


def test_of_its_groups_the_largest_lag_and_the_longest_stillness_of_one_that_needs_something() -> None:
    idle, slow, unknown = int(NOW.timestamp()) - 9000, int(NOW.timestamp()) - 60, int(NOW.timestamp()) - 7200
    groups = [
        ["done", 0, 0, "9-0", idle, 1],
        ["slow", 40, 2, "5-0", slow, 1],
        ["unknown", None, 0, "5-0", unknown, 0],
    ]
    make_sample(stream="orders", at=NOW - TICK, groups=groups)
    make_sample(stream="unread", at=NOW - TICK)
    found = newest_samples(now=NOW)
    assert (found["orders"].largest_lag, found["orders"].still_since) == (40, unknown)
    assert found["orders"].groups["slow"].pending == 2
    assert (found["unread"].largest_lag, found["unread"].still_since) == (None, None)


def test_the_hour_of_all_is_their_sum_and_unknown_where_one_is(django_assert_num_queries: Any) -> None:
    for minutes, sizes in ((90, (7, 7)), (3, (10, 1)), (2, (20, None)), (1, (30, 3))):
        for stream, size in zip(("a", "b"), sizes, strict=True):
            make_sample(stream=stream, at=NOW - timedelta(minutes=minutes), bytes=size, mark=MINUTE)
    make_sample(stream="a", at=NOW - TICK, bytes=99)  # a fine one: the hour is drawn by minutes
    with django_assert_num_queries(1):
        points = bytes_of_all(now=NOW)
    assert [size for _, size in points] == [11, None, 33]
    assert points[0][0] == (NOW - timedelta(minutes=3)).timestamp()


def test_a_group_that_missed_entries_is_read_as_one_that_did_not() -> None:
    """Packed groups are of two lengths: what was missed stands behind the rest, where it is known."""
    since = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
    groups = [
        GroupSample(name=name, lag=1, pending=0, last_delivered_id="5-0", still_since=since, moved=True, missed=missed)
        for name, missed in (("all", None), ("some", 7))
    ]
    newest = NewestSample(length=10, bytes=100, first_id="1-0", packed=pack_groups(groups))
    assert newest.still_since == int(since.timestamp())
    assert newest.largest_lag == 1
    assert newest.groups == {group.name: group for group in groups}
