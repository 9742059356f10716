"""A source that fails shows its last good answer, with the reason and since when; an error of ours is not hidden."""

from datetime import datetime, timedelta

import pytest
import redis

from tests.console.factories import NOW
from tradeul_ops.console.panels import read


def test_the_last_good_answer_stays_with_its_time_and_the_reason() -> None:
    def answers(*, now: datetime) -> int:
        return 42

    def fails(*, now: datetime) -> int:
        raise redis.ConnectionError("Error 111 connecting\nto somewhere")

    assert read("a source", answers, now=NOW).value == 42
    later = read("a source", fails, now=NOW + timedelta(minutes=1))
    assert (later.value, later.read_at, later.error, later.stale) == (42, NOW, "Error 111 connecting", True)
    never = read("another", fails, now=NOW)
    assert (never.value, never.read_at) == (None, None)


def test_a_mistake_of_ours_is_not_taken_for_a_server_that_is_away() -> None:
    def wrong(*, now: datetime) -> int:
        raise KeyError("length")

    with pytest.raises(KeyError):
        read("a source", wrong, now=NOW)
