"""Limits, streams and groups with defaults, for the tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import redis as redis_library

from streams.engine.limits import Limit
from streams.engine.patterns import escape
from streams.engine.rules import BOUNDS, Rule
from streams.engine.samples import FINE
from streams.models import Stream, StreamLimit, StreamSample

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def make_limit(stream: str = "orders", maxlen: int = 1000, **changes: Any) -> Limit:
    return Limit(**{"stream": stream, **_bounds(maxlen), **changes})


def make_rule(pattern: str = "orders", maxlen: int | None = 1000, **changes: Any) -> Rule:
    return Rule(**{"pattern": pattern, **_bounds(maxlen), **changes})


def rule_of(limit: Limit) -> Rule:
    """The rule that gives this stream this limit."""
    return Rule(pattern=escape(limit.stream), **{name: getattr(limit, name) for name in BOUNDS})


def make_row(pattern: str = "orders", maxlen: int = 1000, **changes: Any) -> StreamLimit:
    """Saved. `changes` may be any column, and `due_at` and `held_by` of its stream."""
    if state := {name: changes.pop(name) for name in ("due_at", "held_by") if name in changes}:
        Stream.objects.create(name=pattern, **state)
    return StreamLimit.objects.create(**{"pattern": pattern, **_bounds(maxlen), **changes})


def _bounds(length: int | None) -> dict[str, Any]:
    maxlen = length or 1000
    return {
        "maxlen": length,
        "trim_threshold": maxlen + maxlen // 5,
        "trim_interval": timedelta(seconds=30),
        "hard_maxlen": 3 * maxlen,
    }


def fill(client: redis_library.Redis, stream: str, ids: int | Iterable[int], *, size: int = 20) -> None:
    """Entries 1-0, 2-0, … (or those of `ids`), each of `size` bytes and more."""
    pipe = client.pipeline(transaction=False)
    for number in range(1, ids + 1) if isinstance(ids, int) else ids:
        pipe.xadd(stream, {"data": b"x" * size}, id=f"{number}-0")
    pipe.execute()


def make_group(
    client: redis_library.Redis, stream: str, name: str, *, read: int = 0, acknowledged: int = 0, start: str = "0"
) -> None:
    """A group that was given `read` entries and acknowledged the first `acknowledged` of them."""
    client.xgroup_create(stream, name, id=start, mkstream=True)
    if read:
        given = client.xreadgroup(name, "consumer", {stream: ">"}, count=read)[0][1]
        if acknowledged:
            client.xack(stream, name, *[id for id, _ in given[:acknowledged]])


def make_sample(
    *, stream: str = "orders", at: datetime, mark: int = FINE, length: int = 100, save: bool = True, **columns: Any
) -> StreamSample:
    sample = StreamSample(stream=stream, at=at, mark=mark, length=length, **columns)
    if save:
        sample.save()
    return sample
