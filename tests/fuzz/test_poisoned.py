"""Every key that the console reads, holding what somebody else wrote there: pages render and tasks end."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from snapshots import services as snapshots
from snapshots.engine.names import ALIAS_DELTA, ALIAS_FULL, keys_of
from snapshots.engine.policies import POLICIES_KEY
from streams.engine.producers import PRODUCERS_KEY
from streams.engine.wire import KNOWN_KEY, LIMITS_KEY
from tests.fuzz.conftest import examples
from tests.fuzz.values import anything, bent, changed, one_of, texts
from tests.snapshots.factories import RECORDS, SOURCE, later, make_policy, put
from tests.snapshots.factories import changed as prices
from tests.streams.factories import fill, make_group
from tradeul_ops import liveness, task_runs
from tradeul_ops.celery import app
from tradeul_ops.console import since

CHAIN = keys_of("test")
KEYS = (
    LIMITS_KEY,
    PRODUCERS_KEY,
    KNOWN_KEY,
    POLICIES_KEY,
    CHAIN.full,
    CHAIN.deltas,
    CHAIN.head,
    CHAIN.lease,
    ALIAS_FULL,
    ALIAS_DELTA,
    SOURCE,
    "snapshots:raw",
    liveness.KEY.format(role="worker"),
    liveness.KEY.format(role="beat"),
    task_runs.KEY,
    since.KEY,
)
ADDRESSES = (
    "/",
    "/findings/",
    "/producers/",
    "/jobs/",
    "/verify/",
    "/streams/",
    "/streams/of/snapshots:raw",
    "/snapshots/",
    "/snapshots/live/test/",
    "/metrics",
    "/api/v1/internal/memory-metrics",
    "/readyz",
    *(
        f"/snapshot/{path}"
        for path in ("full/latest", "delta/latest", "head/latest", "test/since/1", "full/latest?shape=rows")
    ),
)
TASKS = (
    "streams.enforce_limits",
    "streams.take_samples",
    "streams.publish_limits",
    "streams.discover_streams",
    "snapshots.build_snapshots",
    "snapshots.publish_policies",
    "snapshots.test_restores",
    "console.note_findings",
)
raw = st.one_of(
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=30),
    anything.map(lambda value: json.dumps(value).encode()),
)


@pytest.fixture
def ana(client: Client, db: None, redis: redis_library.Redis) -> Client:
    client.force_login(get_user_model().objects.create_superuser("ana"))
    make_policy(is_default=False)
    return client


def _whole(client: redis_library.Redis) -> None:
    """All keys as the platform writes them."""
    client.flushdb()
    snapshots.forget()
    fill(client, "snapshots:raw", 30)
    make_group(client, "snapshots:raw", "scanner", read=5, acknowledged=2)
    for number, records in enumerate((RECORDS, prices(AAPL=102.0), prices(AAPL=103.0))):
        put(client, records)
        snapshots.build_snapshots(later(5 * number))
    client.hset(
        PRODUCERS_KEY,
        "one",
        json.dumps({"name": "p", "host": "h", "pid": 1, "version": 1, "seen_at": 1.7e9, "adds": 5}),
    )
    for task in ("publish_limits", "take_samples"):
        app.tasks[f"streams.{task}"].apply(throw=True)
    for role in ("worker", "beat"):
        liveness.stamp(role)  # type: ignore[arg-type]
    task_runs.started()
    task_runs.ended("streams.enforce_limits", why="no reason")


def _poison(client: redis_library.Redis, key: str, draw: Any) -> None:
    """The key bent a little where it can be, or of another type altogether."""
    kind = client.type(key).decode()
    if kind == "string" and draw(st.booleans()):
        client.set(key, bent(draw, client.get(key) or b""), keepttl=True)  # type: ignore[arg-type]
    elif kind == "hash" and draw(st.integers(0, 3)):
        fields: Any = client.hgetall(key)
        field = one_of(draw, [*sorted(fields), b"new"])
        try:
            value = json.dumps(changed(draw, json.loads(fields.get(field, b"{}")))).encode()
        except (ValueError, UnicodeDecodeError):
            value = draw(raw)
        client.hset(key, draw(raw) if draw(st.booleans()) else field, value if draw(st.booleans()) else draw(raw))
    elif kind == "stream" and draw(st.booleans()):
        client.xadd(key, {draw(raw): draw(raw) for _ in range(draw(st.integers(1, 2)))})
    else:
        client.delete(key)
        write = draw(st.sampled_from(("set", "hset", "sadd", "rpush", "xadd", "nothing")))
        value: Any = draw(raw)
        if write in {"set", "sadd", "rpush"}:
            getattr(client, write)(key, value)
        elif write == "hset":
            client.hset(key, value, draw(raw))
        elif write == "xadd":
            client.xadd(key, {value: draw(raw)})


def test_every_page_and_task_with_poisoned_keys(ana: Client, redis: redis_library.Redis) -> None:
    @given(
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True),
        addresses=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=3, unique=True),
        task=st.sampled_from(TASKS),
        data=st.data(),
    )
    @settings(examples(), phases=(Phase.reuse, Phase.generate))  # to shrink one takes minutes, and says little more
    def live_with_it(keys: list[str], addresses: list[str], task: str, data: Any) -> None:
        _whole(redis)
        for key in keys:
            _poison(redis, key, data.draw)
        for address in addresses:
            answer = ana.get(address)
            assert answer.status_code in {200, 302, 404, 410, 503}, address
            assert b"".join(answer) or answer.status_code == 302, address  # its text can be encoded
        app.tasks[task].apply(throw=True)

    try:
        live_with_it()
    finally:
        redis.flushdb()
        snapshots.forget()
