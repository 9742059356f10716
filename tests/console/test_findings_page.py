"""Findings: since when, what cures them, the number in the navigation; forgotten when gone, kept while unreadable."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from streams.models import StreamLimit
from tests.console.factories import NOW, overview, stream_row, streams
from tests.streams.factories import fill, make_row
from tradeul_ops.console import tasks
from tradeul_ops.console.findings import judge_and_note
from tradeul_ops.console.panels import Panel
from tradeul_ops.console.since import KEY, MOST, note, read_noted, remembered
from tradeul_ops.demo.servers import free_port

OVER = stream_row("orders", condition="over", why="9,000 entries of 1,000.")
HELD = stream_row("trades", condition="attention", why="pricing holds it.", held_by="pricing")


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    """Logged in, with every permission."""
    remembered.forget()
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


def _since(seen) -> dict[str, object]:
    return {one.finding.key: one.since for one in judge_and_note(seen).standing}


def test_a_finding_keeps_its_first_time_while_its_numbers_change(redis: redis_library.Redis) -> None:
    assert _since(overview(streams=streams(OVER))) == {"streams/of/orders": NOW}
    worse = stream_row("orders", condition="attention", why="1,100 entries of 1,000.")
    later = overview(streams=streams(worse, HELD), read_at=NOW + timedelta(minutes=5))
    assert _since(later) == {"streams/of/orders": NOW, "streams/of/trades": NOW + timedelta(minutes=5)}
    assert redis.ttl(KEY) > 0


def test_one_that_is_gone_is_forgotten_and_begins_anew(redis: redis_library.Redis) -> None:
    _since(overview(streams=streams(OVER)))
    _since(overview(read_at=NOW + timedelta(minutes=1)))
    again = overview(streams=streams(OVER), read_at=NOW + timedelta(minutes=2))
    assert _since(again) == {"streams/of/orders": NOW + timedelta(minutes=2)}


def test_while_a_source_can_not_be_read_its_findings_are_not_taken_for_gone(redis: redis_library.Redis) -> None:
    _since(overview(streams=streams(OVER)))
    away = Panel("Redis streams", streams(OVER), NOW, "refused")
    assert _since(overview(streams=away, read_at=NOW + timedelta(minutes=1))).keys() == {"away/Redis streams"}
    back = overview(streams=streams(OVER), read_at=NOW + timedelta(minutes=2))
    assert _since(back)["streams/of/orders"] == NOW


def test_the_worst_stand_first_as_the_sentence_has_it(redis: redis_library.Redis) -> None:
    _since(overview(streams=streams(HELD)))
    others = stream_row("a", condition="attention", why="held."), stream_row("b", condition="over", why="over.")
    found = judge_and_note(overview(streams=streams(*others, HELD), read_at=NOW + timedelta(minutes=1)))
    assert [one.finding.key for one in found.standing] == ["streams/of/b", "streams/of/a", "streams/of/trades"]
    assert found.standing[0].finding.text in found.verdict.sentence.text


def test_what_is_remembered_is_bounded(redis: redis_library.Redis) -> None:
    rows = [stream_row(f"s{number}", condition="over", why="over.") for number in range(MOST + 50)]
    found = judge_and_note(overview(streams=streams(*rows)))
    assert redis.hlen(KEY) == MOST + 1
    assert sum(one.since is None for one in found.standing) == 50
    assert read_noted(now=NOW).count == MOST + 50


def test_noting_takes_two_round_trips_however_many_there_are(redis: redis_library.Redis) -> None:
    def trips(number: int) -> int:
        before = redis.info("stats")["total_reads_processed"]
        rows = [stream_row(f"s{n}", condition="over", why="over.") for n in range(number)]
        judge_and_note(overview(streams=streams(*rows)))
        return redis.info("stats")["total_reads_processed"] - before

    trips(1)
    assert trips(2) == trips(50)


def test_without_the_broker_the_findings_stand_without_a_time(settings) -> None:
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert _since(overview(streams=streams(OVER))) == {"streams/of/orders": None}
    remembered.forget()
    assert remembered.noted(now=NOW).count is None


def test_a_count_that_nobody_has_renewed_for_a_minute_is_unknown(redis: redis_library.Redis) -> None:
    note((), unread=(), now=NOW)
    assert read_noted(now=NOW + timedelta(seconds=59)).count == 0
    assert read_noted(now=NOW + timedelta(seconds=61)).count is None


def test_the_page_says_each_with_since_when_and_what_cures_it(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()
    fill(redis, "orders", 5000)
    make_row("orders", 1000)
    text = ana.get("/findings/").content.decode()
    assert "<html" in text and "orders: " in text
    assert 'href="/streams/of/orders">Look at the stream</a>' in text
    assert re.search(r"since <time[^>]+>\d\d:\d\d:\d\d</time>", text)
    assert "No worker has said that it lives" in text and ">See what did not run, and start it</a>" in text
    fragment = ana.get("/findings/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment and "<title>Findings (" in fragment


def test_every_page_has_their_number_and_asks_for_it_once_in_a_while(ana: Client, redis: redis_library.Redis) -> None:
    ana.get("/findings/")
    count = read_noted(now=timezone.now()).count
    assert count
    remembered.forget()
    assert f'<span class="noted some">{count}</span>' in ana.get("/changes/").content.decode()
    redis.delete(KEY)
    assert f'<span class="noted some">{count}</span>' in ana.get("/changes/").content.decode()
    remembered.forget()
    assert '<span class="noted"' in ana.get("/changes/").content.decode()


def test_beat_notes_them_when_nobody_looks(redis: redis_library.Redis, db: None) -> None:
    tasks.note_findings()
    assert read_noted(now=timezone.now()).count


def test_the_overview_shows_the_worst_five(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()
    for number in range(7):
        fill(redis, f"s{number}", 5000)
        make_row(f"s{number}", 1000)
    text = ana.get("/").content.decode()
    assert text.count('<li class="') == 5
    assert "The worst 5 of" in text


def test_streams_without_a_limit_are_a_finding(redis: redis_library.Redis) -> None:
    found = judge_and_note(overview(streams=streams(unmanaged=("orders",)))).standing
    assert [one.finding.text for one in found] == ["orders has no limit and grows until it has one."]
    assert judge_and_note(overview(streams=streams(unmanaged=("snapshot:{enriched}:deltas",)))).standing == ()
    many = tuple(f"s{number}" for number in range(5))
    (one,) = judge_and_note(overview(streams=streams(unmanaged=many))).standing
    assert one.finding.text == "5 streams have no limit and grow until they have one: s0, s1, s2 and 2 more."
    assert one.finding.link == "/streams/#unmanaged"


def test_a_finding_says_a_streams_name_once() -> None:
    rows = (stream_row("a", condition="unknown", why="a is no stream."), stream_row("b", condition="over", why="Full."))
    found = judge_and_note(overview(streams=streams(*rows))).standing
    assert {one.finding.text for one in found} == {"a is no stream.", "b: Full."}
