"""What fails in the middle of a trim or of a sweep: what is lost, what is on record, and who takes over."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library
from django.db import connection

from streams import services, store
from streams.engine.plan import plan_trim
from streams.engine.trimming import SAFE_TRIM, Trimming
from streams.lua import script
from streams.models import Enforcement, Stream, TrimRun
from tests.streams.factories import fill, make_group, make_limit, make_row
from tests.streams.test_producer import publish, soft
from tradeul_ops import connections
from tradeul_ops.demo.servers import ValkeyServer
from tradeul_ops.runs import Outcome

Redis = redis_library.Redis
Wait = Callable[..., None]
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)

# A worker's sweep that stops after its first bite, and waits there to be killed.
WORKER = """
import sys, django
django.setup()
from datetime import datetime
from streams import services
from streams.engine.trimming import Trimming

take = Trimming.take
def take_once(self, *args, **kwargs):
    take(self, *args, **kwargs)
    print("bitten", flush=True)
    sys.stdin.read()
Trimming.take = take_once
services.enforce_limits(datetime.fromisoformat(sys.argv[1]))
"""


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def killed_in_the_middle(redis_url: str) -> None:
    """A worker process, by kill -9, between two bites of a trim."""
    database = connection.settings_dict
    url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
    }
    command = [sys.executable, "-c", WORKER, NOW.isoformat()]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"bitten\n"
        worker.kill()


@pytest.mark.parametrize(("script_is_known", "little"), [(True, 1050), (False, 1150)])
def test_a_worker_killed_in_the_middle_of_a_trim(
    redis: Redis, redis_url: str, no_limits: None, wait_until: Wait, script_is_known: bool, little: int
) -> None:
    """Says: in the stream's history “Began to trim …. At least … entries went; more is not known”, from the next trim
    or sample (10 s) on; the overview names the worker once it is silent for 15 s.
    Recovers: at the next sweep (5 s), which nobody's lock keeps waiting; no turn is lost for longer than an
    interval.
    Keeps: what groups need; the totals, with what the dead one took as far as the lengths tell it.
    """
    make_row("long", due_at=NOW - timedelta(seconds=1))
    make_row("a little long", due_at=NOW)
    fill(redis, "long", 5000)
    fill(redis, "a little long", 1150)
    # Both bites are sent at once. A server that does not know the script refuses both, and has each sent once more.
    redis.script_flush()
    if script_is_known:
        redis.script_load(script(SAFE_TRIM).text)
    killed_in_the_middle(redis_url)
    left = redis.xlen("long")
    assert 1100 < left < 5000
    assert not TrimRun.objects.exists()

    wait_until(lambda: services.enforce_limits(later(5)) == 1, "PostgreSQL to see that the worker is gone")
    run, *told = TrimRun.objects.all()
    assert (run.stream, run.outcome, run.trimmed) == ("long", Outcome.DONE, left - redis.xlen("long"))
    dead = {one.stream: one.trimmed for one in told if one.outcome == Outcome.PARTIAL and one.length_after is None}
    assert dead == {"long": 5000 - left} | ({"a little long": 100} if script_is_known else {})
    assert Enforcement.objects.get().trimmed == run.trimmed + sum(dead.values())
    assert redis.xlen("long") <= 1099
    assert redis.xlen("a little long") == little, "bitten together with it, or its turn taken and not used"
    assert set(Stream.objects.values_list("due_at", flat=True)) == {later(29), later(30)}


def test_a_worker_killed_while_it_took_what_a_group_needs(
    redis: Redis, redis_url: str, no_limits: None, wait_until: Wait
) -> None:
    """Says: in the stream's history: “Began to trim …: … above its ceiling. At least … entries went; more is not
    known”.
    Recovers: at the next sweep (5 s).
    Keeps: what lies below the ceiling; that something above it went is on record.
    """
    make_row("orders", due_at=NOW)
    fill(redis, "orders", 6000)
    make_group(redis, "orders", "pricing")
    killed_in_the_middle(redis_url)
    left = redis.xlen("orders")
    assert 3099 < left < 6000
    wait_until(lambda: services.enforce_limits(later(5)) == 1, "PostgreSQL to see that the worker is gone")
    run, dead = TrimRun.objects.all()
    assert run.losses == {"pricing": {"undelivered": left - redis.xlen("orders"), "pending": 0}}
    assert (dead.outcome, dead.length_before, dead.length_after) == (Outcome.PARTIAL, 6000, None)
    assert dead.trimmed == 6000 - left
    assert "3,000 of its 6,000 entries are above its ceiling" in dead.detail


def in_the_middle(monkeypatch: pytest.MonkeyPatch, fault: Callable[[], object], *, after: int = 1) -> list[int]:
    """`fault` happens after that many bites, once; the answer counts them."""
    bites: list[int] = []
    take = Trimming.take

    def took(self: Trimming, *args: Any, **kwargs: Any) -> None:
        take(self, *args, **kwargs)
        bites.append(self.trimmed)
        if len(bites) == after:
            fault()

    monkeypatch.setattr(Trimming, "take", took)
    return bites


def test_scripts_are_flushed_in_the_middle_of_a_trim(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says: nothing.
    Recovers: at once, within the same trim.
    Keeps: what groups need.
    """
    fill(redis, "orders", 5000)
    make_group(redis, "orders", "scanner", read=3000, acknowledged=3000)
    bites = in_the_middle(monkeypatch, redis.script_flush)
    trimming = planned(redis, hard_maxlen=10_000)
    store.trim(redis, [trimming], until=time.monotonic() + 10)
    assert trimming.done and len(bites) > 2
    assert 2000 <= redis.xlen("orders") <= 2099


def test_redis_restarts_in_the_middle_of_a_trim(server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says: nothing.
    Recovers: at once, where it is back before the next call; else at the next sweep.
    Keeps: what groups need, and what is pending.
    """
    client = connections.data_redis()
    fill(client, "orders", 5000)
    make_group(client, "orders", "scanner", read=3000, acknowledged=2900)

    def restart() -> None:
        server.stop()
        server.start()

    bites = in_the_middle(monkeypatch, restart)
    trimming = planned(client, hard_maxlen=10_000)
    store.trim(client, [trimming], until=time.monotonic() + 30)
    assert trimming.done and len(bites) > 2
    assert client.xrange("orders", "2901-0", "2901-0"), "what is pending is still there"
    assert 2100 <= client.xlen("orders") <= 2199


def test_redis_goes_away_in_the_middle_of_a_sweep(
    server: ValkeyServer, no_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Says: in the history an outage, and of the stream what went before it.
    Recovers: at the next sweep (5 s) after it is back.
    Keeps: the stream's turn, which is given back; the records of both sweeps add up to what went.
    """
    make_row("orders", due_at=NOW)
    fill(connections.data_redis(), "orders", 5000)
    in_the_middle(monkeypatch, server.stop)
    with pytest.raises(store.StoreUnavailable):
        services.enforce_limits(NOW)
    outage, run = TrimRun.objects.all()
    assert (outage.stream, outage.outcome) == (services.WHOLE_SWEEP, Outcome.FAILED)
    assert (run.stream, run.outcome, run.length_after) == ("orders", Outcome.PARTIAL, 4000)
    assert run.trimmed > 0
    assert Stream.objects.get().due_at == NOW, "its turn is given back"
    server.start()
    assert services.enforce_limits(later(5)) == 1
    assert run.trimmed + TrimRun.objects.first().trimmed == 5000 - connections.data_redis().xlen("orders")


def planned(client: Redis, **changes: Any) -> Trimming:
    read = store.read_states(client, ["orders"])["orders"]
    assert not isinstance(read, store.StreamError)
    return Trimming(plan_trim(read, limit=make_limit(**changes), due=True))


def test_a_full_server_is_rescued_by_the_next_sweep(server: ValkeyServer, no_limits: None) -> None:
    """Says: the trim, with what it freed.
    Recovers: at the next sweep (5 s); XADD works again after it.
    Keeps: what the limit lets stay.
    """
    client = connections.data_redis()
    make_row("orders", due_at=NOW)
    fill(client, "orders", 20_000, size=1024)
    client.config_set("maxmemory", "8mb")
    with pytest.raises(redis_library.exceptions.OutOfMemoryError):
        client.xadd("orders", {"data": b"x"})
    assert services.enforce_limits(NOW) == 1
    client.xadd("orders", {"data": b"x"})
    run = TrimRun.objects.get()
    assert run.bytes_freed > 15_000_000


def test_two_beats_send_every_sweep_twice(redis: Redis, no_limits: None) -> None:
    """Says: each trim once.
    Recovers: there is nothing to recover: one of two sweeps at a time does the work.
    Keeps: one record a trim, and one turn an interval.
    """
    for n in range(5):
        make_row(f"orders:{n}", due_at=NOW)
        fill(redis, f"orders:{n}", 2000)
    trimmed: list[int] = []
    together = threading.Barrier(2)

    def beat() -> None:
        try:
            for tick in range(4):
                together.wait(30)
                trimmed.append(services.enforce_limits(later(5 * tick)))
        finally:
            connection.close()

    beats = [threading.Thread(target=beat) for _ in range(2)]
    for thread in beats:
        thread.start()
    for thread in beats:
        thread.join()
    assert sum(trimmed) == TrimRun.objects.count() == 5
    assert set(Stream.objects.values_list("due_at", flat=True)) == {later(30)}


def test_limits_that_vanish_are_published_again(redis: Redis, no_limits: None) -> None:
    """Says: nothing; producers keep the limits that they hold.
    Recovers: within 30 s, by beat.
    Keeps: every limit, as its row has it.
    """
    make_row("orders", 500)
    assert services.publish_limits() == 1
    before = store.read_published(redis).limits
    publish(redis, soft(10), soft(20, "strays"))
    redis.delete("tradeul:streams:limits")
    assert services.publish_limits() == 1
    assert store.read_published(redis).limits == before


@pytest.mark.parametrize("version", [b"7", b"", b"\xff", b"-1", b"1e9"])
def test_garbage_among_the_published_limits_is_put_right(redis: Redis, no_limits: None, version: bytes) -> None:
    """Says: nothing.
    Recovers: within 30 s, by beat.
    Keeps: every limit, as its row has it; the version stays a number that grows.
    """
    make_row("orders", 500)
    services.publish_limits()
    before = store.read_published(redis).limits
    key = "tradeul:streams:limits"
    redis.hset(key, mapping={"orders": b"\x00\xff{", b"\xff\xfe": b"[]", "": b"null", ":version": version})
    services.publish_limits()
    assert store.read_published(redis).limits == before
    assert (store.read_published(redis).version or 0) > 0
