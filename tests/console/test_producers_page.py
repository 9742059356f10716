"""Producers: who holds which limits, who lags, how fast each adds, and what they add to that nobody bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from streams import services
from streams.engine.producers import PRODUCERS_KEY, ProducerSeen, to_wire
from streams.models import Stream, StreamLimit
from streams.services.producing import producing_summary
from tests.streams.factories import make_row, make_sample
from tradeul_ops.console import panels
from tradeul_ops.console.producers import Rates
from tradeul_ops.demo.servers import free_port

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    """Logged in, with every permission."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


def _seen(name: str, **changes: object) -> ProducerSeen:
    values = {"id": name, "name": name, "host": "h3", "pid": 7, "version": 1, "seen_at": timezone.now(), "adds": 100}
    return ProducerSeen(**{**values, **changes})


def _say(redis: redis_library.Redis, *seen: ProducerSeen) -> None:
    for one in seen:
        redis.hset(PRODUCERS_KEY, one.id, to_wire(one))


def test_who_lags_is_said_first_and_stands_first(ana: Client, redis: redis_library.Redis) -> None:
    services.publish_limits()
    _say(redis, _seen("ingest"), _seen("polygon_ws", version=None))
    text = ana.get("/producers/").content.decode()
    assert "1 of 2 producers hold v1. polygon_ws on h3 holds no version." in text
    assert text.index("<code>polygon_ws</code>") < text.index("<code>ingest</code>")
    assert "none yet, the newest is v1" in text and "v1, the newest" in text


def test_without_producers_it_says_what_will_appear(ana: Client, redis: redis_library.Redis) -> None:
    text = ana.get("/producers/").content.decode()
    assert "No producer has said hello within the last minute." in text and "streams.producer" in text


def test_a_rate_is_known_from_the_second_reading_on() -> None:
    rates, now = Rates(), timezone.now()
    first = _seen("ingest", seen_at=now)
    later = _seen("ingest", seen_at=now + timedelta(seconds=2), adds=300)
    assert rates.of([first]) == {"ingest": None}
    assert rates.of([first]) == {"ingest": None}
    assert rates.of([later]) == {"ingest": 100.0}
    assert rates.of([later]) == {"ingest": 100.0}  # nothing new was said: the rate stands
    again = _seen("ingest", seen_at=now + timedelta(seconds=4), adds=5)
    assert rates.of([again]) == {"ingest": None}  # a counter that fell is another one
    assert rates.of([]) == {}


def test_streams_without_a_limit_stand_below_the_fastest_first(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()
    now = timezone.now()
    make_row("bounded", 100)
    Stream.objects.filter(name="bounded").update(seen_at=now)
    for name, step in (("slow", 1), ("fast", 50), ("idle", 0)):
        Stream.objects.create(name=name, seen_at=now)
        for at in range(4):
            when = now - timedelta(minutes=3 - at, seconds=5)
            make_sample(stream=name, at=when, mark=60, length=10, entries_added=100 + at * step)
    Stream.objects.create(name="new", seen_at=now)
    summary = producing_summary(now=now)
    assert [(one.stream, one.inflow_per_hour) for one in summary.unlimited] == [
        ("fast", 3000.0),
        ("slow", 60.0),
        ("new", None),
        ("idle", 0.0),
    ]
    text = ana.get("/producers/").content.decode()
    assert "/streams/limits/new?stream=fast" in text and "3,000" in text


def test_without_redis_the_page_says_so_and_keeps_what_it_knew(
    ana: Client, redis: redis_library.Redis, settings
) -> None:
    _say(redis, _seen("ingest"))
    ana.get("/producers/")
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    text = ana.get("/producers/").content.decode()
    assert "Redis could not be read" in text and "<code>ingest</code>" in text
    panels._last_good.clear()
    assert ana.get("/producers/").status_code == 200


def test_a_poll_costs_the_same_for_one_producer_and_fifty(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()

    def cost() -> tuple[int, int]:
        before = redis.info("stats")["total_commands_processed"]
        with CaptureQueriesContext(connection) as queries:
            assert ana.get("/producers/", headers=HTMX).status_code == 200
        return len(queries), redis.info("stats")["total_commands_processed"] - before

    _say(redis, _seen("ingest"))
    Stream.objects.create(name="s", seen_at=timezone.now())
    cost()
    few = cost()
    _say(redis, *(_seen(f"p{number}") for number in range(50)))
    Stream.objects.bulk_create(Stream(name=f"s{number}", seen_at=timezone.now()) for number in range(50))
    assert cost() == few
    assert few[0] <= 8
