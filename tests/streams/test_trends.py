"""Samples beside states: one query for all, a forecast only where a group holds a stream, edits as they were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model

from streams import services, store
from streams.engine.samples import TICK
from streams.engine.state import StreamState
from streams.models import StreamLimit
from streams.services.trends import Course, limit_changes, read_courses, read_history, span_of
from tests.streams.factories import make_limit, make_row, make_sample

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)


def course(held: bool = True, **changes: Any) -> Course:
    """Of 30 samples that rise by one each, to 1,329."""
    for at in range(30):
        make_sample(at=NOW - TICK * (29 - at), mark=60, length=1300 + at)
    limit = make_limit("orders", 1000, **changes)
    return read_courses({"orders": limit, "never": limit}, {}, held={"orders"} if held else (), now=NOW)["orders"]


def test_a_stream_that_is_held_above_its_threshold_is_full_some_day() -> None:
    told = course()
    assert told.trend.full_in == pytest.approx((3000 - 1329) * TICK, abs=timedelta(seconds=1))
    assert [length for _, length in told.points] == [*range(1300, 1330)]


@pytest.mark.parametrize(
    "changes",
    [
        {"protect_groups": False, "hard_maxlen": None},
        {"enabled": False},
        {"held": False},
        {"trim_threshold": 1250},  # within a node of it: the next trim takes that back
    ],
)
def test_what_trims_reach_or_nothing_ends_is_never_full(changes: dict[str, Any]) -> None:
    assert course(**changes).trend.full_in is None


def test_a_stream_without_samples_has_nothing_known_about_it(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        told = read_courses({"never": make_limit("never"), "nor": make_limit("nor")}, {}, held=(), now=NOW)
    assert told == {"never": Course(), "nor": Course()}


def test_a_state_that_could_not_be_read_stops_no_other() -> None:
    states: dict[str, StreamState | store.StreamError] = {"orders": store.WrongType("orders")}
    assert read_courses({"orders": make_limit("orders")}, states, held=(), now=NOW) == {"orders": Course()}


@pytest.mark.parametrize(("word", "told"), [("6h", "6h"), ("7d", "7d"), (None, "1h"), ("", "1h"), ("9y", "1h")])
def test_what_is_no_span_is_the_hour(word: str | None, told: str) -> None:
    assert span_of(word).word == told


def test_history_goes_back_as_far_as_asked() -> None:
    for minutes in (30, 90, 400):
        make_sample(at=NOW - timedelta(minutes=minutes), mark=600, length=minutes)
    told = {word: [one.length for one in read_history("orders", span=span_of(word), now=NOW)] for word in ("1h", "6h")}
    assert told == {"1h": [30], "6h": [90, 30]}


def test_edits_are_told_with_who_made_them(redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()
    row, other = make_row("orders", 1000), make_row("other")
    ana = get_user_model().objects.create(username="ana")
    for pk, maxlen in ((row.pk, 900), (row.pk, 950), (other.pk, 10)):
        services.update_limit(pk, {"maxlen": maxlen}, user_id=ana.pk, now=NOW)
    told = limit_changes("orders", since=NOW - timedelta(days=9000))
    assert [(change.by, change.text) for change in told] == [
        ("ana", "maxlen: 1000 → 900"),
        ("ana", "maxlen: 900 → 950"),
    ]
    assert limit_changes("orders", since=told[-1].at + timedelta(seconds=1)) == ()
