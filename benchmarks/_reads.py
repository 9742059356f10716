"""The rows of benchmarks/streams.py that read or sweep many streams at once: as a store, a service, and a page."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from _measure import Row, in_turn, timed, versus
from _trims import FILL

from streams import store
from tradeul_ops.demo.servers import PostgresServer, ValkeyServer, free_port

PAGE_BUDGET_MS = 2000  # of a refresh of the list of 5,000 streams: it is asked for every five seconds
GROUPS = ("scanner", "gateway", "pricing")


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

    def swept(act: Callable[[], Any], entries: int) -> Callable[[], float]:
        def once() -> float:
            client.flushall()
            _make(client, streams, entries=entries, groups=2, read=True)
            Stream.objects.update(due_at=None)
            return timed(act, 1)

        return once

    StreamLimit.objects.all().delete()
    names = [f"read:{n}" for n in range(streams)]
    span = timedelta(seconds=30)
    StreamLimit.objects.create(
        pattern="read:*", maxlen=100, trim_threshold=120, hard_maxlen=1000, trim_interval=span, protect_groups=True
    )
    services.remember(names)

    def sweep() -> None:
        """As often as it takes: one ends after four seconds."""
        services.enforce_limits(timezone.now())
        while any(client.xlen(name) > 199 for name in names):
            services.enforce_limits(timezone.now())

    for what, entries in (("none of them too long", 100), ("each of them 200 entries too long", 300)):
        base, ours = in_turn(swept(raw, entries), swept(sweep, entries), rounds=3)
        said = f"{streams} due streams, {what}: a sweep with its rows and records; redis-py: the same read, and XTRIM"
        yield versus(said, base, ours, goal=1.2, unit="ms")


def page(client: redis.Redis, *, streams: int = 5_000) -> Iterator[Row]:
    """GET /streams/ as htmx asks for it, through Django whole: session, summary, template."""
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.utils import timezone

    from streams import services
    from streams.services.samples import take_samples

    client.flushall()
    names = _make(client, streams, entries=30, groups=3)
    services.remember(names)
    take_samples(now=timezone.now())
    settings.ALLOWED_HOSTS = ["*"]
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("benchmark"))
    took: dict[str, list[float]] = {}
    for _ in range(6):
        for what, headers in (("refresh", {"HX-Request": "true"}), ("whole page", {})):
            began = time.perf_counter()
            answer = browser.get("/streams/", headers=headers)
            took.setdefault(what, []).append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200 or b"read:" not in answer.content:
                raise SystemExit(f"/streams/ answered {answer.status_code}")
    for what, times in took.items():
        ms = sorted(times[1:])[len(times[1:]) // 2]
        said = f"the list of {streams:,} streams with {streams * 3:,} groups, {what}"
        yield Row(said, "", f"{ms:,.0f} ms", None, f"≤ {PAGE_BUDGET_MS:,} ms", ms <= PAGE_BUDGET_MS)


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
