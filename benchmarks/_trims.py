"""The rows of benchmarks/streams.py that trim: what stays, how long it took, and what others noticed of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import median
from typing import Any

import redis
from _measure import Pinger, Row, pinging

from streams import store
from streams.engine.defaults import GUIDE_LIMITS
from streams.engine.limits import Limit
from streams.engine.plan import Trim, plan_trim
from streams.engine.state import StreamState
from streams.engine.trimming import Trimming
from streams.lua import script
from streams.producer import StreamProducer
from tradeul_ops.demo.servers import ValkeyServer

GUIDES_CASE = {
    "snapshots:raw": (50_003, 10_000),
    "stream:ranking:deltas": (20_000, 3_000),
    "stream:realtime:aggregates": (12_000, 3_000),
    "tickers:filtered": (10_000, 1_500),
    "events:session": (5_000, 2_000),
}
FILL = """
local data = string.rep('x', tonumber(ARGV[2]))
for _ = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'data', data) end
"""
ROUNDS = 3
LONG = "long"


@dataclass
class Seen:
    """`work_ms`: of the whole, with the reads before and after. `trim_ms`, `read_ms`: the longest calls in SLOWLOG."""

    work_ms: float
    trim_ms: float
    read_ms: float
    stall_ms: float
    before_mb: float
    after_mb: float


def trimming(client: redis.Redis, server: ValkeyServer) -> Iterator[Row]:
    with _watching(client, server) as pinger:
        idle = _idle(pinger)
        yield Row("longest PING while nothing is trimmed, half a second", "", f"{idle:.1f} ms")
        yield from _guides_case(client, pinger)
    for entries, size in ((50_003, 12_000), (1_000_000, 1_000)):
        yield from _long_stream(client, server, entries=entries, size=size)


@contextmanager
def _watching(client: redis.Redis, server: ValkeyServer) -> Iterator[Pinger]:
    """On a server that was just started. After it freed a gigabyte, which the round before did, its allocator keeps one
    of the next calls, whichever comes, SLOWLOG RESET as well: glibc's 5 to 7 ms, jemalloc in Redis 7.0 30 to 48.
    """
    server.stop()
    server.start()
    client.config_set("slowlog-log-slower-than", 50)
    client.config_set("slowlog-max-len", 10_000)
    connection: Any = client.connection_pool.connection_kwargs
    with pinging(connection["host"], connection["port"]) as pinger:
        yield pinger


def _guides_case(client: redis.Redis, pinger: Pinger) -> Iterator[Row]:
    def enforced() -> None:
        states = store.read_states(client, list(GUIDES_CASE))
        for stream, state in states.items():
            _trim(client, state, GUIDE_LIMITS[stream].limit_of(stream))
        store.read_states(client, list(GUIDES_CASE))

    seen = []
    for _ in range(ROUNDS):
        _fill(client, GUIDES_CASE)
        with _producing(client):
            seen.append(_watched(client, pinger, enforced))
        lengths = {stream: client.xlen(stream) for stream in GUIDES_CASE}
        if any(length > (GUIDE_LIMITS[stream].maxlen or 0) + 100 for stream, length in lengths.items()):
            raise SystemExit(f"not enforced: {lengths}")
    one = _medians(seen)
    case = "the guide's five streams"
    yield Row(
        f"{case}: used_memory before → after",
        f"{one.before_mb:.0f} MB",
        f"{one.after_mb:.0f} MB",
        one.after_mb / one.before_mb,
        "≤ 170 MB",
        one.after_mb <= 170,
    )
    yield Row(f"{case}, producers running: work", "", f"{one.work_ms:.0f} ms", None, "≤ 150 ms", one.work_ms <= 150)
    yield Row(f"{case}: longest server call that trims", "", f"{one.trim_ms:.1f} ms", None, "≤ 2 ms", one.trim_ms <= 2)
    yield Row(
        f"{case}: longest that reads (`MEMORY USAGE`)", "", f"{one.read_ms:.1f} ms", None, "≤ 2 ms", one.read_ms <= 2
    )
    yield Row(f"{case}: longest stall, of {ROUNDS} rounds", "", f"{max(s.stall_ms for s in seen):.1f} ms")


def _long_stream(client: redis.Redis, server: ValkeyServer, *, entries: int, size: int) -> Iterator[Row]:
    limit = Limit(
        stream=LONG, maxlen=1000, trim_threshold=1000, trim_interval=timedelta(seconds=30), protect_groups=False
    )
    ways: dict[str, Callable[[], None]] = {
        "redis-py": lambda: client.xtrim(LONG, maxlen=1000, approximate=False) and None,
        "unprotected": lambda: _enforce(client, limit),
        "protected": lambda: _enforce(client, replace(limit, protect_groups=True, hard_maxlen=3000)),
    }
    seen: dict[str, list[Seen]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, act in ways.items():
            with _watching(client, server) as pinger:
                _fill(client, {LONG: (entries, size)})
                seen[way].append(_watched(client, pinger, act))
            if client.xlen(LONG) > 1100:
                raise SystemExit(f"{way} left {client.xlen(LONG):,} entries")
    base = _medians(seen["redis-py"])
    for way in ("unprotected", "protected"):
        ours = _medians(seen[way])
        what = f"{entries:,} × {size // 1000} KB → 1,000, {way}"
        yield Row(
            f"{what}: longest stall; redis-py: one exact XTRIM",
            f"{base.stall_ms:.1f} ms",
            f"{ours.stall_ms:.1f} ms",
            ours.stall_ms / base.stall_ms,
            "≤ 3 ms",
            ours.stall_ms <= 3,
        )
        longest = f"{ours.trim_ms:.1f} and {ours.read_ms:.1f} ms"
        yield Row(f"{what}: longest server calls, trimming and reading", f"{base.trim_ms:.1f} ms", longest)
        yield Row(f"{what}: work, its reads included", f"{base.work_ms:.0f} ms", f"{ours.work_ms:.0f} ms")


def _enforce(client: redis.Redis, limit: Limit) -> None:
    _trim(client, store.read_states(client, [limit.stream])[limit.stream], limit)
    store.read_states(client, [limit.stream])


def _trim(client: redis.Redis, state: StreamState | store.StreamError, limit: Limit) -> None:
    if isinstance(state, store.StreamError):
        raise state
    plan = plan_trim(state, limit=limit, due=True)
    if isinstance(plan, Trim):
        store.trim(client, [Trimming(plan)], until=time.monotonic() + 60)


def _watched(client: redis.Redis, pinger: Pinger, act: Callable[[], None]) -> Seen:
    before: Any = client.info("memory")
    client.slowlog_reset()
    began = time.monotonic()
    act()
    ended = time.monotonic()
    after: Any = client.info("memory")
    slow: Any = client.slowlog_get(10_000)
    return Seen(
        work_ms=(ended - began) * 1000,
        trim_ms=max((call["duration"] for call in slow if not _reads(call)), default=0) / 1000,
        read_ms=max((call["duration"] for call in slow if _reads(call)), default=0) / 1000,
        stall_ms=pinger.longest(began, ended),
        before_mb=before["used_memory"] / 1e6,
        after_mb=after["used_memory"] / 1e6,
    )


def _reads(call: Any) -> bool:
    """By the script, or as one of its calls: SLOWLOG has both."""
    return script("read_state").sha.encode() in call["command"] or call["command"].startswith(b"MEMORY")


def _medians(seen: list[Seen]) -> Seen:
    return Seen(**{name: median(getattr(one, name) for one in seen) for name in Seen.__dataclass_fields__})


def _idle(pinger: Pinger) -> float:
    began = time.monotonic()
    time.sleep(0.5)
    return pinger.longest(began, time.monotonic())


def _fill(client: redis.Redis, streams: Mapping[str, tuple[int, int]]) -> None:
    client.flushall()
    for stream, (entries, size) in streams.items():
        for left in range(entries, 0, -5_000):
            client.eval(FILL, 1, stream, min(left, 5_000), size)  # type: ignore[arg-type]
        client.xgroup_create(stream, "scanner", "$")  # it has read everything


@contextmanager
def _producing(client: redis.Redis) -> Iterator[None]:
    """A service that goes on adding, some hundred entries a second, under limits that do not trim in its stead."""
    ended = threading.Event()
    wide = {name: replace(limit, hard_maxlen=10**9) for name, limit in GUIDE_LIMITS.items()}
    with StreamProducer(client, defaults=wide, trim=False) as producer:

        def produce() -> None:
            while not ended.wait(0.01):
                for stream, (_, size) in GUIDES_CASE.items():
                    producer.xadd(stream, {"data": b"x" * size})

        thread = threading.Thread(target=produce)
        thread.start()
        yield
        ended.set()
        thread.join()
