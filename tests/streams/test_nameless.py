"""Streams whose key no limit can name: counted, named as redis-cli takes the key, and a finding."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime, timedelta

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from streams import services, store
from streams.engine.nameless import KEPT, SHOWN, Nameless, as_record, from_record, quoted
from streams.metrics import NamelessFound, streams_overview
from streams.models import Stream, StreamLimit
from streams.services import discovery
from tests.console.factories import overview, streams
from tests.streams.command_line import enforced_now, run
from tradeul_ops.console.sentence import judge

Redis = redis_library.Redis
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
KEYS = (b"\xff\xfe\x00bin", b"", b'\xc3"\\', b"x" * 600)


@pytest.fixture
def nameless(db: None, redis: Redis) -> None:
    """Four of them with 1, 2, 3 and 4 entries, and one that has a name."""
    StreamLimit.objects.all().delete()
    for number, key in enumerate(KEYS, start=1):
        for _ in range(number):
            redis.xadd(key, {"a": 1})
    redis.xadd("orders", {"a": 1})


def found(now: datetime = NOW) -> NamelessFound:
    return streams_overview(now=now).nameless


@pytest.mark.parametrize("key", KEYS[:3])
def test_a_key_is_written_as_redis_cli_reads_it(key: bytes) -> None:
    said = quoted(key)
    assert said.isascii() and said.isprintable()
    assert ast.literal_eval(f"b{said}") == key, "the same signs, by Python's rules"


def test_a_long_key_is_cut_and_told_from_another_by_its_digest() -> None:
    said, other = quoted(b"x" * 600), quoted(b"x" * 600 + b"y")
    assert said.startswith(f'"{"x" * SHOWN}"… (600 bytes, SHA-256 ') and said != other
    assert len(said) < 120


def test_they_are_counted_and_the_longest_come_first(redis: Redis, nameless: None) -> None:
    assert services.discover_streams(now=NOW) == 1, "no row is made for one"
    assert list(Stream.objects.values_list("name", flat=True)) == ["orders"]
    seen = found()
    assert len(seen) == 4
    assert [(one.key, one.length) for one in seen.longest] == [
        (quoted(key), number) for number, key in reversed(list(enumerate(KEYS, start=1)))
    ]
    assert all(one.bytes for one in seen.longest)


def test_one_that_is_gone_is_no_longer_told_of(redis: Redis, nameless: None) -> None:
    services.discover_streams(now=NOW)
    redis.rename(KEYS[0], "renamed")
    redis.delete(*KEYS[1:])
    services.discover_streams(now=NOW)
    assert not found()
    assert Stream.objects.filter(name="renamed").exists()


def test_a_scan_of_a_part_forgets_none_of_the_rest(
    redis: Redis, nameless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5000):
        redis.set(f"test:{number}", "", px=20_000)
    monkeypatch.setattr(discovery, "_cursor", store.ScanCursor())
    services.discover_streams(now=NOW)
    monkeypatch.setattr(discovery, "KEYS_PER_RUN", 1000)
    for minute in range(1, 4):
        services.discover_streams(now=NOW + timedelta(minutes=minute))
        assert len(found(NOW + timedelta(minutes=minute))) == 4


def test_what_the_row_keeps_is_bounded() -> None:
    many = [Nameless(f'"{number}"', number, None, NOW.isoformat()) for number in range(KEPT + 5)]
    kept = from_record(as_record(many), within=timedelta(minutes=5), now=NOW)
    assert len(kept) == KEPT + 5 and len(kept.longest) == KEPT
    assert kept.longest[0].length == KEPT + 4
    later = from_record(as_record(many), within=timedelta(minutes=5), now=NOW + timedelta(minutes=6))
    assert not later, "nobody met them for longer than a scan takes to come round"


def test_the_finding_counts_and_names_them() -> None:
    seen = NamelessFound(
        (Nameless(r'"\xff"', 300, 9000, NOW.isoformat()), Nameless('""', 1, None, NOW.isoformat())), more=0
    )
    (finding,) = judge(overview(streams=streams(nameless=seen))).findings
    assert finding.key == "streams/nameless" and finding.link == "/streams/#nameless"
    assert finding.text == (
        r'2 streams have keys that no limit can name, and beat never trims them: "\xff" (300 entries), "" (1 entry).'
    )


def test_the_list_shows_them_with_the_way_out(nameless: None, client: Client) -> None:
    services.discover_streams(now=timezone.now())
    client.force_login(get_user_model().objects.create_superuser("ana"))
    page = client.get("/streams/").content.decode()
    assert 'id="nameless"' in page
    assert r"<code>&quot;\xff\xfe\x00bin&quot;</code>" in page and "XTRIM" in page


def test_the_command_names_them_and_leaves_with_1(nameless: None, redis: Redis) -> None:
    redis.delete("orders")
    services.discover_streams(now=timezone.now())
    enforced_now()
    code, said = run("list")
    assert code == 1
    assert r'4 streams have a key that no limit can name, and grow unless somebody trims by hand: "xxx' in said
    code, document = run("list", "--json")
    assert (code, len(json.loads(document)["nameless"]["longest"])) == (1, 4)
