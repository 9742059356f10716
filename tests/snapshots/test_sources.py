"""Where records come from: each kind of source, what of it is parsed, and what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis as redis_library
from django.db import OperationalError

from snapshots import services, sources
from snapshots.engine import source
from snapshots.engine.names import keys_of
from snapshots.models import SnapshotPolicy
from tests.snapshots.factories import NOW, RECORDS, SOURCE, build, changed, make_policy, put, read
from tradeul_ops.runs import Outcome

pytestmark = pytest.mark.django_db
KEYS = keys_of("test")


def test_a_source_that_is_missing_or_of_another_type_is_a_failed_row(redis: redis_library.Redis) -> None:
    make_policy()
    missing = build(0)
    assert (missing.outcome, missing.detail) == (Outcome.FAILED, f"the hash {SOURCE} is not there, or empty.")
    redis.set(SOURCE, "{}")
    assert "source test:source: Redis refused" in build(5).detail
    assert not redis.exists(KEYS.full, KEYS.head)
    redis.delete(SOURCE)
    put(redis, RECORDS)
    assert build(10).outcome == Outcome.DONE


def test_a_record_that_cannot_be_published_keeps_its_last_and_the_others_go_on(redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    build(0)
    put(redis, changed(MSFT=500))
    redis.hset(SOURCE, mapping={"AAPL": '{"price": NaN}', "NEW": "{", b"\xff": "{}"})
    for at in (5, 10):  # each time: it is tried again, and said again
        row = build(at)
        assert row.outcome == Outcome.PARTIAL
        assert row.detail.startswith("3 kept as published last: AAPL: price is nan; JSON has no such number.")
        assert read(redis) == changed(MSFT=500)
    put(redis, changed(MSFT=500, AAPL=7))
    assert build(15).outcome == Outcome.DONE
    assert read(redis) == changed(MSFT=500, AAPL=7)


def test_no_record_that_can_be_published_is_a_failure(redis: redis_library.Redis) -> None:
    make_policy()
    redis.hset(SOURCE, mapping={"A": "[1]"})
    row = build(0)
    assert (row.outcome, row.detail) == (
        Outcome.FAILED,
        f"{SOURCE}: no record can be published. A: the record is a list, not an object.",
    )


@pytest.mark.parametrize("kind", ["string", "stream_entry", "stream_fields", "list", "callable"])
def test_other_sources(redis: redis_library.Redis, kind: str) -> None:
    listed = [{"symbol": symbol, **record} for symbol, record in RECORDS.items()]
    expected: dict[str, Any] = RECORDS
    policy = make_policy(source_kind={"stream_fields": "stream_entry", "list": "string"}.get(kind, kind))
    if kind == "string":
        redis.set(SOURCE, json.dumps(RECORDS), ex=60)
    elif kind == "list":
        redis.set(SOURCE, json.dumps(listed), ex=60)
        expected = {record["symbol"]: record for record in listed}
    elif kind == "stream_entry":
        redis.xadd(SOURCE, {"data": "{}"})
        redis.xadd(SOURCE, {"data": json.dumps(RECORDS)})
    elif kind == "stream_fields":
        redis.xadd(SOURCE, {symbol: json.dumps(record) for symbol, record in RECORDS.items()})
    else:
        sources.register(SOURCE)(lambda: RECORDS)
    row = build(0)
    assert (row.outcome, row.kind) == (Outcome.DONE, "full")
    assert (row.raw_bytes is None) == (kind == "callable")
    assert read(redis) == expected
    assert build(5).kind == "delta"
    policy.delete()


def test_a_function_that_nobody_registered_and_lists_without_symbols_are_failures(redis: redis_library.Redis) -> None:
    policy = make_policy(source_kind="callable", source_key="os.getcwd")
    assert "no function is registered as os.getcwd" in build(0).detail
    policy.source_kind, policy.source_key = "string", SOURCE
    policy.save()
    for at, (text, sentence) in enumerate(
        [
            ("[{}]", "record 0 names no symbol or ticker"),
            ("3", "a int"),
            ("{", "not JSON"),
            ('[{"symbol":"A"},{"symbol":"A"}]', "twice"),
        ]
    ):
        redis.set(SOURCE, text, ex=60)
        assert sentence in build(5 * at + 5).detail


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), OperationalError("gone")], ids=repr)
def test_a_function_that_fails_is_its_own_policys_failure(
    redis: redis_library.Redis, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    @sources.register("test:broken")
    def broken() -> dict[str, Any]:
        raise error

    make_policy("broken", source_kind="callable", source_key="test:broken")
    make_policy()
    SnapshotPolicy.objects.filter(name="broken").update(enabled=True)
    put(redis, RECORDS)
    rows = {row.policy.name: row for row in services.build_snapshots(NOW)}
    assert (rows["broken"].outcome, rows["test"].outcome) == (Outcome.FAILED, Outcome.DONE)
    assert rows["broken"].detail == f"the function test:broken failed: {type(error).__name__}: {error}"
    assert "Traceback" in caplog.text
    assert read(redis) == RECORDS


def test_only_values_with_new_bytes_are_parsed(redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    make_policy()
    put(redis, RECORDS)
    build(0)
    parsed: list[bytes] = []
    loads = source.loads
    monkeypatch.setattr(source, "loads", lambda text: parsed.append(text) or loads(text))
    put(redis, changed(MSFT=401))
    build(5)
    assert [json.loads(text)["price"] for text in parsed] == [401]
    assert read(redis) == changed(MSFT=401)
