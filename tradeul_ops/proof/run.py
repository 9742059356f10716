"""Runs both sides on the same market, and gives what was seen of them. Starts their servers, and leaves none behind."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from streams.engine.defaults import GUIDE_LIMITS
from timescale.engine.edition import Edition
from tradeul_ops.demo.servers import ServerError
from tradeul_ops.proof import history, meters
from tradeul_ops.proof.after import After, MakeAfter
from tradeul_ops.proof.before import Before
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.scale import Scale, fitting
from tradeul_ops.proof.servers import both_sides
from tradeul_ops.proof.side import Seen, Side
from tradeul_ops.proof.source import Work, works

NODE_ENTRIES = 100  # an approximate trim may leave this many above the cap: one node of the smallest entries
COMPARED_EVERY = 20  # ticks
SHORTEST_TICK_SECONDS = 0.3  # beat sweeps every 5 s of the clock: faster, and the sweeps would be too few for a slope
SETTLE_SECONDS = 90.0  # a sweep comes every 5 s; old rows go within 30, or as TimescaleDB's jobs run
POLICIES_SECONDS = 600.0


@dataclass
class Proof:
    """Everything that the table, the JSON and the page are made of."""

    scale: Scale
    started_at: datetime
    edition: Edition
    before: Seen
    after: Seen
    taken_over: meters.RedisReading | None = None
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    left_to_bound: int = 0
    notes: tuple[str, ...] = ()


def prove(
    scale: Scale,
    directory: Path,
    *,
    given: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    make_after: MakeAfter = After,
) -> Proof:
    """`given`: addresses of servers, by the names of servers.GIVEN; the others are started below `directory`.

    Raises ServerError where one can't be started, or dies, or a given one is not empty.
    """
    progress, given = progress or Progress(None), given or {}
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    scale = fitting(scale, disk_free=free, memory_free=psutil.virtual_memory().available)
    began = time.monotonic()
    with both_sides(scale, directory, given=given, make_after=make_after) as (before, after):
        proof = _Runner(scale, before, after, progress).run()
        proof.seconds = time.monotonic() - began
    return proof


def wait(predicate: Callable[[], bool], *, within: float, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Goes on after `within` seconds all the same: what was not reached is seen in the figures."""
    until = time.monotonic() + within
    while not predicate() and time.monotonic() < until:
        meanwhile()
        time.sleep(0.2)


@dataclass
class _Runner:
    scale: Scale
    before: Before
    after: After
    progress: Progress

    @property
    def sides(self) -> tuple[Side, ...]:
        return self.before, self.after

    def run(self) -> Proof:
        # The market's last tick is about now: policies go by the clock.
        start = datetime.now(tz=UTC) - self.scale.market_time
        self._load(end=start)
        self.after.enforce()
        notes = self._policies() if self.after.edition is Edition.COMMUNITY else ()
        for side in self.sides:
            side.begin()
        work = self._market(start)
        self._settle(work)
        for side in self.sides:
            side.finish()
        proof = Proof(
            scale=self.scale,
            started_at=start,
            edition=self.after.edition,
            before=self.before.seen,
            after=self.after.seen,
            versions=self.after.versions(),
            left_to_bound=self.after.left_to_bound(),
            notes=notes,
        )
        self.after.take_over(self.before.redis_url)
        proof.taken_over = meters.read_redis(self.before.redis)
        return proof

    def _load(self, *, end: datetime) -> None:
        """Both at once: the same rows, on a connection each."""
        stop = threading.Event()
        with self.progress.of("older scans", 2 * self.scale.history_rows) as told, ThreadPoolExecutor(2) as threads:
            how: dict[str, Any] = {"scale": self.scale, "end": end, "told": told, "stop": stop}
            loads = [threads.submit(history.fill, side.database, **how) for side in self.sides]
            try:
                for load in loads:
                    load.result()
            finally:
                stop.set()
        with self.progress.of("indexes", None):
            self.before.index()

    def _policies(self) -> tuple[str, ...]:
        """Lets TimescaleDB's workers compress and drop; what they leave undone is run by hand, and said."""
        after = self.after
        self._wait(lambda: after.left_to_bound() == 0 or after.jobs_ended(), "policies", within=POLICIES_SECONDS)
        if after.left_to_bound() == 0:
            return ()
        with self.progress.of("jobs by hand", None):
            why = after.run_jobs()
        return (f"TimescaleDB's jobs were run by CALL run_job, as its own workers left some: {why}",)

    def _market(self, start: datetime) -> Work:
        work: Work | None = None
        with self.progress.of("ticks of both", self.scale.ticks) as told:
            for work in works(self.scale, start=start):
                until = time.monotonic() + SHORTEST_TICK_SECONDS
                for side in self.sides:
                    side.tick(work, began=start)
                    if work.number % COMPARED_EVERY == 0:
                        side.compare(work.records)
                self._check_processes()
                told(1)
                time.sleep(max(0.0, until - time.monotonic()))
        assert work is not None
        return work

    def _settle(self, last: Work) -> None:
        """The market is over: what a sweep has still to do is done, and what a consumer has is compared."""
        bounds = stream_bounds()
        self._wait(lambda: self.after.within(bounds), "last sweep", within=SETTLE_SECONDS)
        self._wait(lambda: self.after.left_to_bound() == 0, "retention", within=SETTLE_SECONDS)
        for side in self.sides:
            side.follow()
            side.compare(last.records)

    def _wait(self, predicate: Callable[[], bool], what: str, *, within: float) -> None:
        with self.progress.of(what, None):
            wait(predicate, within=within, meanwhile=self._check_processes)

    def _check_processes(self) -> None:
        if (dead := self.after.stack.dead_child()) is not None:
            said = getattr(self.after.stack, "said", [])[-3:]
            raise ServerError(f"{dead.name} ended with exit code {dead.process.returncode}: {' / '.join(said)}")


def stream_bounds() -> dict[str, int]:
    """What a stream may hold between two sweeps. In the proof no group is behind, so that none is held above."""
    return {name: int(rule.trim_threshold or rule.maxlen or 0) + NODE_ENTRIES for name, rule in GUIDE_LIMITS.items()}
