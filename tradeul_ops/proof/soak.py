"""Lets the whole platform work for hours of market, and says whether its memory stays where it is.

Market time is compressed; beat's rhythm and the slopes are the clock's: a leak of the worker is not made to look small.
Only before anything is judged do tasks run more often than beat sends them: a thread that runs one for the first time
imports and keeps what it needs, and at beat's rhythm that takes minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tradeul_ops.celery import app
from tradeul_ops.connections import client
from tradeul_ops.demo.servers import PostgresServer, ServerError
from tradeul_ops.liveness import QUEUE
from tradeul_ops.proof import meters
from tradeul_ops.proof.after import QuietStack
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.rows import Verdict, spell_bytes
from tradeul_ops.proof.slope import Point, Slope, means, slope

PARTS = ("worker", "beat", "market")
EVERY_SECONDS = 1.0
WARM_EVERY_SECONDS = 0.1
WARM_UP = 0.4  # of the time at least: streams and the deltas' stream fill, processes import what they need
LONGEST_WARM_UP = 0.8  # where the machine is too busy to do the rounds by then
# Of all that beat sends, before anything is judged. The worker's memory rises with its runs until it has 600 to 700
# behind it, these; beat alone takes a quarter of an hour for as many.
WARM_ROUNDS = 40
PARTS_JUDGED = (
    12  # means of as many equal times: sweeps every 5 s make a saw-tooth, and its samples are not independent
)
# A server's cache of pages fills as its tables grow, and that of each connection's temporary tables, which merge_rows
# has, as they are used: small ones are full within the warm-up.
POSTGRES = {"shared_buffers": "16MB", "temp_buffers": "1MB", "max_connections": "30"}
SHORTEST_SECONDS = 60.0


@dataclass(frozen=True)
class Line:
    """Bytes at the beginning and at the end of what was judged; `limit` in bytes an hour of the clock."""

    what: str
    points: tuple[Point, ...]
    limit: float

    @property
    def slope(self) -> Slope | None:
        return slope(means(self.points, PARTS_JUDGED))

    @property
    def verdict(self) -> Verdict:
        """Missed where the growth is above the limit beyond two standard errors, or nothing is known."""
        found = self.slope
        return Verdict.MET if found is not None and found.at_least <= self.limit else Verdict.MISSED

    @property
    def cells(self) -> tuple[str, ...]:
        found = self.slope
        if found is None:
            return self.what, "–", "–", "–", self.verdict
        growth = f"{spell_bytes(found.per_hour)}/h ± {spell_bytes(found.error)}/h"
        first, last = self.points[0][1], self.points[-1][1]
        return (
            self.what,
            f"{spell_bytes(first)} → {spell_bytes(last)}",
            growth,
            f"{spell_bytes(self.limit)}/h",
            self.verdict,
        )


@dataclass
class Soak:
    """`rounds` of all that beat sends came before what was judged."""

    seconds: float
    speed: float
    lines: list[Line] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    rounds: int = 0

    @property
    def flat(self) -> bool:
        return not self.errors and all(line.verdict is Verdict.MET for line in self.lines)


def soak(
    hours: float,
    directory: Path,
    *,
    speed: float,
    tickers: int,
    limits: Mapping[str, float],
    progress: Progress,
) -> Soak:
    """`hours` of market, `speed` times as fast; `limits` in bytes an hour of the clock, by what grows.

    Raises ServerError where a process can't be started, or dies.
    """
    seconds = max(SHORTEST_SECONDS, hours * 3600 / speed)
    words = ("--speed", f"{speed:g}", "--tickers", f"{tickers}")
    stack = QuietStack(directory, 0, fresh=True, parts=PARTS, market=words, given={}, postgres=_postgres)
    series: dict[str, list[Point]] = {name: [] for name in limits}
    with stack.running():
        with progress.of("warming up", WARM_ROUNDS) as told:
            rounds = _warm_up(stack, seconds, told)
        readings = _readings(stack)
        judged = (1 - WARM_UP) * seconds
        with progress.of("soak", round(judged)) as told:
            until = time.monotonic() + judged
            while (now := time.monotonic()) < until:
                _check(stack)
                for name in limits:
                    series[name].append((now, float(readings[name]())))
                time.sleep(EVERY_SECONDS)
                told(round(until - now) - round(until - time.monotonic()))
        errors = [f"{child.name}: {line}" for child in stack.children for line in child.errors[:3]]
    lines = [Line(name, tuple(series[name]), limit) for name, limit in limits.items()]
    return Soak(seconds, speed, lines, errors, rounds)


def _warm_up(stack: QuietStack, seconds: float, told: Callable[[int], None]) -> int:
    """Sends a round whenever few wait, until there were enough, or it takes too long. How many there were."""
    broker, rounds, began = client(stack.environment["CELERY_BROKER_URL"]), 0, time.monotonic()
    while (now := time.monotonic() - began) < LONGEST_WARM_UP * seconds:
        _check(stack)
        if rounds < WARM_ROUNDS and broker.llen(QUEUE) < len(app.conf.beat_schedule) / 2:
            _send_all(stack.environment["CELERY_BROKER_URL"])
            rounds += 1
            told(1)
        elif rounds == WARM_ROUNDS and now >= WARM_UP * seconds:
            break
        time.sleep(WARM_EVERY_SECONDS)
    return rounds


def _check(stack: QuietStack) -> None:
    """Raises ServerError where a process is dead."""
    if (dead := stack.dead_child()) is not None:
        raise ServerError(f"{dead.name} ended with exit code {dead.process.returncode}.")


def _send_all(broker: str) -> None:
    """Each task of beat's table, once."""
    with app.connection_for_write(broker) as connection:
        for entry in app.conf.beat_schedule.values():
            app.send_task(entry["task"], connection=connection)


def _readings(stack: QuietStack) -> dict[str, Callable[[], int]]:
    redis = client(stack.environment["REDIS_URL"])

    def memory_of(pid: int) -> Callable[[], int]:
        return lambda: meters.held_bytes(pid)

    servers = {name: server.process.pid for name, server in stack.servers.items() if server.process is not None}
    return {
        "Redis, used_memory": lambda: int(redis.info("memory")["used_memory"]),
        "Redis, resident": memory_of(servers["REDIS_URL"]),
        "broker": memory_of(servers["CELERY_BROKER_URL"]),
        "PostgreSQL": memory_of(servers["DATABASE_URL"]),
        "worker": memory_of(stack.child("worker").process.pid),
        "beat": memory_of(stack.child("beat").process.pid),
    }


def _postgres(directory: Path, port: int) -> PostgresServer:
    return PostgresServer(directory, port, settings=POSTGRES)


def text(found: Soak) -> str:
    market = found.seconds * found.speed / 3600
    lines = [
        f"{found.seconds:.0f} s of the clock, {market:.2g} h of market; the last {1 - WARM_UP:.0%} are judged, after "
        f"{found.rounds} runs of each task.",
        "Missed is what surely grew: by more than its limit, two standard errors (±) taken off.",
        "",
        "| memory | from, to | growth | limit | |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(line.cells)} |" for line in found.lines),
        "",
    ]
    return "\n".join([*lines, *found.errors, "Flat." if found.flat else "Not flat."])
