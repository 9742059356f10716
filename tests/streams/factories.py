"""Limits, streams and groups with defaults, for the tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import redis as redis_library

from streams.engine.limits import Limit
from streams.models import StreamLimit


def make_limit(stream: str = "orders", maxlen: int = 1000, **changes: Any) -> Limit:
    values: dict[str, Any] = {
        "stream": stream,
        "maxlen": maxlen,
        "trim_threshold": maxlen + maxlen // 5,
        "trim_interval": timedelta(seconds=30),
        "hard_maxlen": 3 * maxlen,
    }
    return Limit(**{**values, **changes})


def make_row(stream: str = "orders", maxlen: int = 1000, **changes: Any) -> StreamLimit:
    """Saved. `changes` may be any column."""
    limit = make_limit(stream, maxlen)
    values = {name: getattr(limit, name) for name in Limit.__slots__}
    return StreamLimit.objects.create(**{**values, **changes})


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
