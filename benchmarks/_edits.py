"""The rows of benchmarks/streams.py about an edited limit: how long until every producer obeys, and under faults."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
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
    """Producers behind a proxy that can hang; `edit` says how long, in ms, the slowest of them took to obey."""

    def __init__(self, client: redis.Redis, proxy: Proxy, rule: Rule) -> None:
        self.client, self.rule = client, rule
        self._obeyed: threading.Semaphore = threading.Semaphore(0)
        self._wanted = 10_000
        self.publish(rule)
        through = redis.Redis.from_url(proxy.url, protocol=2)
        self.producers = [StreamProducer(through, name=f"p{n}", trim=False).start() for n in range(PRODUCERS)]
        for producer in self.producers:
            self._watch(producer)

    def publish(self, rule: Rule) -> None:
        store.publish_limits(self.client, {rule.key: to_wire(rule)}, compared=store.read_published(self.client))

    def edit(self, act: Callable[[Rule], Any]) -> float:
        self._wanted += 1
        began = time.perf_counter()
        act(replace(self.rule, maxlen=self._wanted, trim_threshold=self._wanted))
        for _ in self.producers:
            if not self._obeyed.acquire(timeout=GIVEN_UP_AFTER):
                raise SystemExit(f"an edit did not reach every producer within {GIVEN_UP_AFTER} s")
        return (time.perf_counter() - began) * 1000

    def stop(self) -> None:
        for producer in self.producers:
            producer.stop()

    def _watch(self, producer: StreamProducer) -> None:
        book, had = producer._book, 0
        take = book.take

        def take_and_say(published: Any) -> None:
            nonlocal had
            take(published)
            limit = book.rules.limit_of(self.rule.pattern)
            cap = limit.maxlen if limit else None
            if cap == self._wanted != had:
                had = cap
                self._obeyed.release()

        book.take = take_and_say  # type: ignore[method-assign]


def editing(client: redis.Redis, server: ValkeyServer, rule: Rule) -> Iterator[Row]:
    """From before the limits are published until the slowest of the producers has them in force."""
    with Proxy(server.port) as proxy:
        fleet = Fleet(client, proxy, rule)
        times = []
        for _ in range(EDITS):
            time.sleep(random.uniform(0.02, 0.05))
            times.append(fleet.edit(fleet.publish))
        times.sort()
        p50, p99, worst = times[len(times) // 2], times[len(times) * 99 // 100], times[-1]
        figures = f"p50 {p50:.1f}, p99 {p99:.1f}, max {worst:.1f} ms"
        what = f"edit → obeyed by each of {PRODUCERS} producers in one process, {EDITS} edits"
        yield Row(what, "", figures, None, "p99 < 20 ms", p99 < 20)

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
