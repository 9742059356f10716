"""A source that fails shows its last good answer, with the reason and since when; an error of ours is not hidden."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth import get_user_model
from django.test import Client

from tests.console.factories import NOW
from tradeul_ops.console import overview, panels
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


def test_an_answer_of_the_last_seconds_does_where_that_is_enough() -> None:
    """And a failure is not taken for one: who asks next tries again."""
    readings = []

    def source(*, now: datetime) -> int:
        readings.append(now)
        if len(readings) == 3:
            raise redis.ConnectionError("away")
        return len(readings)

    def asked(within: float) -> int | None:
        return read("kept a while", source, now=NOW, within=within).value

    assert [asked(60.0), asked(60.0)] == [1, 1]
    assert asked(0.0) == 2, "who wants it as it is now"
    assert [asked(0.0), asked(60.0), asked(60.0)] == [2, 4, 4]
    assert len(readings) == 4


def test_only_a_page_that_refreshes_itself_is_told_of_tables_what_was_read_before(
    client: Client, redis_url: str, transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = redis_url
    client.force_login(get_user_model().objects.create_superuser("ana"))
    readings = []

    def summary(*, now: datetime, real: Callable[..., Any] = overview.hypertables_summary) -> Any:
        readings.append(now)
        return real(now=now)

    monkeypatch.setattr(overview, "hypertables_summary", summary)
    for address in ("/", "/findings/"):
        panels._turns.clear()
        readings.clear()
        for headers in ({"HX-Request": "true"}, {}):
            assert client.get(address, headers=headers).status_code == 200
        assert len(readings) == 2, "a person who asks gets what is there now"
        assert client.get(address, headers={"HX-Request": "true", "HX-Trigger": "live"}).status_code == 200
        assert len(readings) == 2
