"""The rows of benchmarks/streams.py that read or sweep many streams at once. Pages: see console.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from _measure import Row, in_turn, spent, timed, versus
from _trims import FILL

from streams import store
from tradeul_ops.demo.servers import PostgresServer, ValkeyServer, free_port

GROUPS = ("scanner", "gateway")


def reading(client: redis.Redis, *, streams: int = 500) -> Iterator[Row]:
    names = _make(client, streams, entries=200, groups=2)

    def raw() -> None:
        _read_raw(client, names)

    base, ours = in_turn(lambda: timed(raw, 1), lambda: timed(lambda: store.read_states(client, names), 1), rounds=40)
    what = f"state of {streams} streams; redis-py: XLEN, XINFO GROUPS, MEMORY USAGE in one pipeline"
    yield versus(what, base, ours, goal=1.2, unit="ms")
    base, ours = in_turn(
        lambda: spent(client, raw), lambda: spent(client, lambda: store.read_states(client, names)), rounds=40
    )
    yield versus("the same, CPU of client and server", base, ours, goal=1.2, unit="ms")
    client.flushall()


@contextmanager
def console(directory: Path, server: ValkeyServer) -> Iterator[None]:
    """Django on a PostgreSQL of its own, migrated; its data Redis is `server`."""
    postgres = PostgresServer(directory / "postgres", free_port())
    postgres.start()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tradeul_ops.settings",
        "SECRET_KEY": "benchmarks-only-" * 4,
        "HTTPS": "false",
        "DATABASE_URL": postgres.url,
        "REDIS_URL": server.url,
        "CELERY_BROKER_URL": server.url,
    }
    try:
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        yield
        connections.close_all()
    finally:
        postgres.stop()


def enforcing(client: redis.Redis, *, streams: int = 500) -> Iterator[Row]:
    """A sweep, rows and records included, against the same streams' raw commands: once with as few as can be, which
    cut what a group still needs, and once as by hand what a sweep does without a record of it."""
    from django.utils import timezone

    from streams import services
    from streams.models import Stream, StreamLimit

    def cut() -> None:
        _read_raw(client, names)
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xtrim(name, maxlen=100, approximate=True)
        pipe.execute()

    def cut_by_hand() -> None:
        _cut_to_what_groups_need(client, names, maxlen=100)

    def swept(act: Callable[[], Any], entries: int, measured: Callable[[Callable[[], Any]], float]) -> Any:
        def once() -> float:
            client.flushall()
            _make(client, streams, entries=entries, groups=2, read=True)
            Stream.objects.update(due_at=None)
            took = measured(act)
            while too_long():  # a sweep ends after four seconds, and the next goes on
                took += measured(act)
            return took

        return once

    def too_long() -> bool:
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xlen(name)
        return max(pipe.execute()) > 199

    StreamLimit.objects.all().delete()
    names = [f"read:{n}" for n in range(streams)]
    span = timedelta(seconds=30)
    StreamLimit.objects.create(
        pattern="read:*", maxlen=100, trim_threshold=120, hard_maxlen=1000, trim_interval=span, protect_groups=True
    )
    services.remember(names)

    def sweep() -> None:
        services.enforce_limits(timezone.now())

    safely = "redis-py: what a sweep asks and does, groups' places and bytes afterwards included"
    for what, entries in (("none of them too long", 100), ("each of them 200 entries too long", 300)):
        said = f"{streams} due streams, {what}: a sweep with its rows and records"
        for name, measured in (
            (said, lambda act: timed(act, 1)),
            ("the same, CPU of client and Redis, without PostgreSQL's", lambda act: spent(client, act)),
        ):
            variants = [swept(act, entries, measured) for act in (cut, cut_by_hand, sweep)]
            unsafe, safe, ours = in_turn(*variants, rounds=5)
            yield versus(f"{name}; redis-py: the same read, and XTRIM to a length", unsafe, ours, goal=1.2, unit="ms")
            yield versus(f"{name}; {safely}", safe, ours, goal=1.2, unit="ms")


def _read_raw(client: redis.Redis, names: list[str]) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.xlen(name)
        pipe.xinfo_groups(name)
        pipe.memory_usage(name, samples=0)
    return list(pipe.execute())


def _cut_to_what_groups_need(client: redis.Redis, names: list[str], *, maxlen: int) -> None:
    """To `maxlen`, or to the oldest id that a group needs, and what that took."""
    answers = _read_raw(client, names)
    found = dict(zip(names, zip(answers[::3], answers[1::3], strict=True), strict=True))
    too_long = {name: groups for name, (length, groups) in found.items() if length > maxlen}
    pipe = client.pipeline(transaction=False)
    asked = [(name, group["name"]) for name, groups in too_long.items() for group in groups if group["pending"]]
    for name, group in asked:
        pipe.xpending(name, group)
    pending = {pair: _place(said["min"]) for pair, said in zip(asked, pipe.execute(), strict=True)}
    for name, groups in too_long.items():
        places = [(_place(group["last-delivered-id"]), pending.get((name, group["name"]))) for group in groups]
        floor = min(place for both in places for place in both if place)
        minid = "-".join(map(str, floor))
        pipe.xtrim(name, minid=minid, approximate=True, limit=found[name][0] - maxlen)
    pipe.execute()
    for name in too_long:
        pipe.memory_usage(name, samples=0)
    pipe.execute()


def _place(id: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in id.split(b"-"))


def _make(client: redis.Redis, streams: int, *, entries: int, groups: int, read: bool = False) -> list[str]:
    names = [f"read:{n}" for n in range(streams)]
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.eval(FILL, 1, name, entries, 200)  # type: ignore[arg-type]
        for group in GROUPS[:groups]:
            pipe.xgroup_create(name, group, "$" if read else "0")
        if len(pipe.command_stack) > 1000:
            pipe.execute()
    pipe.execute()
    return names
