"""The rows of benchmarks/streams.py about an edited limit: how long until every producer obeys, and under faults."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import redis
from _measure import Row

from streams import store
from streams.engine.rules import Rule
from streams.engine.wire import LIMITS_KEY, to_wire
from streams.producer import StreamProducer
from tests.streams.tcp_proxy import Proxy
from tradeul_ops.demo.servers import ValkeyServer

PRODUCERS = 13
EDITS = 250
GIVEN_UP_AFTER = 15  # seconds


class Fleet:
    """Producers, each a process of its own as services are; `edit` says how long the slowest took to obey, in ms."""

    def __init__(self, client: redis.Redis, url: str, rule: Rule) -> None:
        self.client, self.rule = client, rule
        self._wanted = 10_000
        self.publish(rule)
        context = get_context("spawn")
        ends = [context.Pipe() for _ in range(PRODUCERS)]
        self._pipes = [here for here, _ in ends]
        self._processes = [
            context.Process(target=_produce, args=(url, f"p{number}", rule.pattern, there), daemon=True)
            for number, (_, there) in enumerate(ends)
        ]
        for process in self._processes:
            process.start()
        for pipe in self._pipes:
            pipe.recv()  # it obeys the first limit

    def publish(self, rule: Rule) -> None:
        store.publish_limits(self.client, {rule.key: to_wire(rule)}, compared=store.read_published(self.client))

    def edit(self, act: Callable[[Rule], Any]) -> float:
        self._wanted += 1
        began = time.monotonic()  # the same clock in all processes of a machine
        act(replace(self.rule, maxlen=self._wanted, trim_threshold=self._wanted))
        return (max(self._obeyed(pipe) for pipe in self._pipes) - began) * 1000

    def stop(self) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join()

    def _obeyed(self, pipe: Connection) -> float:
        cap = 0
        while cap != self._wanted:
            if not pipe.poll(GIVEN_UP_AFTER):
                raise SystemExit(f"an edit did not reach every producer within {GIVEN_UP_AFTER} s")
            cap, at = pipe.recv()
        return float(at)


def _produce(url: str, name: str, stream: str, pipe: Connection) -> None:
    """Says each new cap, and when it was in force."""
    producer = StreamProducer(redis.Redis.from_url(url, protocol=2), name=name, trim=False)
    book, take, had = producer._book, producer._book.take, 0

    def take_and_say(published: Any) -> None:
        nonlocal had
        take(published)
        at, limit = time.monotonic(), book.rules.limit_of(stream)
        if limit and limit.maxlen and limit.maxlen != had:
            had = limit.maxlen
            pipe.send((had, at))

    book.take = take_and_say  # type: ignore[method-assign]
    with producer:
        pipe.recv()


def editing(client: redis.Redis, server: ValkeyServer, rule: Rule) -> Iterator[Row]:
    """From before the limits are published until the slowest of the producers has them in force."""
    fleet = Fleet(client, server.url, rule)
    times = []
    for _ in range(EDITS):
        time.sleep(random.uniform(0.02, 0.05))
        times.append(fleet.edit(fleet.publish))
    fleet.stop()
    times.sort()
    p50, p99, worst = times[len(times) // 2], times[len(times) * 99 // 100], times[-1]
    figures = f"p50 {p50:.1f}, p99 {p99:.1f}, max {worst:.1f} ms"
    what = f"edit → obeyed by each of {PRODUCERS} producers, a process each, {EDITS} edits"
    yield Row(what, "", figures, None, "p99 < 20 ms", p99 < 20)
    yield from _under_faults(client, server, rule)


def _under_faults(client: redis.Redis, server: ValkeyServer, rule: Rule) -> Iterator[Row]:
    with Proxy(server.port) as proxy:
        fleet = Fleet(client, proxy.url, rule)

        def killed(new: Rule) -> None:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            fleet.publish(new)

        def hung(new: Rule) -> None:
            proxy.hang()
            fleet.publish(new)

        def restarted(new: Rule) -> None:
            server.stop()
            server.start()
            fleet.publish(new)

        def vanished(new: Rule) -> None:
            client.delete(LIMITS_KEY)
            fleet.publish(new)

        for fault, act, trials in (
            ("all subscriptions killed just before it", killed, 10),
            ("every connection hanging from just before it on", hung, 6),
            ("the server restarted just before it, restart included", restarted, 3),
            ("the limits key deleted just before it", vanished, 5),
            ("HSET by hand, nobody told", lambda new: client.hset(LIMITS_KEY, new.key, to_wire(new)), 5),
        ):
            time.sleep(2.5)  # all listen again
            worst = max(fleet.edit(act) for _ in range(trials))
            yield Row(f"the same, {fault}, {trials} edits", "", f"max {worst:,.0f} ms", None, "< 3 s", worst < 3000)
        fleet.stop()
