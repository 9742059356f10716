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
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xlen(name)
            pipe.xinfo_groups(name)
            pipe.memory_usage(name, samples=0)
        pipe.execute()

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
    """A sweep, rows and records included, against the same streams' raw commands in two pipelines."""
    from django.utils import timezone

    from streams import services
    from streams.models import Stream, StreamLimit

    def raw() -> None:
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xlen(name)
            pipe.xinfo_groups(name)
            pipe.memory_usage(name, samples=0)
        pipe.execute()
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.xtrim(name, maxlen=100, approximate=True)
        pipe.execute()

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

    for what, entries in (("none of them too long", 100), ("each of them 200 entries too long", 300)):
        said = f"{streams} due streams, {what}: a sweep with its rows and records; redis-py: the same read, and XTRIM"
        for name, measured in (
            (said, lambda act: timed(act, 1)),
            ("the same, CPU of client and Redis, without PostgreSQL's", lambda act: spent(client, act)),
        ):
            base, ours = in_turn(swept(raw, entries, measured), swept(sweep, entries, measured), rounds=5)
            yield versus(name, base, ours, goal=1.2, unit="ms")


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
