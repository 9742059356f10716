"""Runs both sides on the same market, and gives what was seen of them. Starts their servers, and leaves none behind."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from streams.engine.defaults import GUIDE_LIMITS
from timescale.engine.edition import Edition
from tradeul_ops.demo.servers import PostgresServer, ServerError, ValkeyServer, bundled_postgres, free_port
from tradeul_ops.demo.timescale import installed_postgres
from tradeul_ops.proof import history, meters
from tradeul_ops.proof.after import After, MakeAfter, QuietStack
from tradeul_ops.proof.before import Before
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.scale import Scale, fitting
from tradeul_ops.proof.side import Seen, Side
from tradeul_ops.proof.source import Work, works

NODE_ENTRIES = 100  # an approximate trim may leave this many above the cap: one node of the smallest entries
COMPARED_EVERY = 20  # ticks
SHORTEST_TICK_SECONDS = 0.3  # beat sweeps every 5 s of the clock: faster, and the sweeps would be too few for a slope
SETTLE_SECONDS = 90.0  # a sweep comes every 5 s; old rows go within 30, or as TimescaleDB's jobs run
POLICIES_SECONDS = 600.0
GIVEN = {  # addresses of servers that are there already, and what each is
    "BEFORE_REDIS_URL": "an empty Redis for the platform as it was",
    "BEFORE_DATABASE_URL": "an empty database for it",
    "AFTER_REDIS_URL": "an empty Redis for the platform with this project",
    "AFTER_DATABASE_URL": "an empty database for it",
    "BROKER_URL": "a Redis for the tasks",
}
POSTGRES = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "maintenance_work_mem": "256MB",
    "max_worker_processes": "16",
    "synchronous_commit": "off",
}
TIMESCALE = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "6",
}


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
    """`given`: addresses of servers, by the names of GIVEN; the others are started below `directory`.

    Raises ServerError where one can't be started, or dies, or a given one is not empty.
    """
    progress, given = progress or Progress(None), given or {}
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    scale = fitting(scale, disk_free=free, memory_free=psutil.virtual_memory().available)
    began = time.monotonic()
    with ExitStack() as open_:
        before = open_.enter_context(_before(directory / "before", given))
        after = open_.enter_context(_after(directory / "after", given, scale, make_after))
        runner = _Runner(scale, before, after, progress)
        proof = runner.run()
        proof.seconds = time.monotonic() - began
    return proof


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
            versions=self._versions(),
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
        for side in self.sides:
            side.database.execute("ANALYZE scan_results")

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
        """Goes on after `within` seconds all the same: the table then says what was missed."""
        until = time.monotonic() + within
        with self.progress.of(what, None):
            while not predicate() and time.monotonic() < until:
                self._check_processes()
                time.sleep(0.2)

    def _check_processes(self) -> None:
        if (dead := self.after.stack.dead_child()) is not None:
            said = getattr(self.after.stack, "said", [])[-3:]
            raise ServerError(f"{dead.name} ended with exit code {dead.process.returncode}: {' / '.join(said)}")

    def _versions(self) -> dict[str, str]:
        server: Any = self.after.redis.info("server")
        redis_version = server.get("valkey_version")
        found = {
            "Valkey" if redis_version else "Redis": redis_version or server["redis_version"],
            "PostgreSQL": str(self.after.database.info.parameter_status("server_version")).split()[0],
        }
        if self.after.edition is not Edition.NONE:
            query = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
            found["TimescaleDB"] = f"{self.after._one(query)[0]}, {self.after.edition}"
        return found


def stream_bounds() -> dict[str, int]:
    """What a stream may hold between two sweeps. In the proof no group is behind, so that none is held above."""
    return {name: int(rule.trim_threshold or rule.maxlen or 0) + NODE_ENTRIES for name, rule in GUIDE_LIMITS.items()}


# --- servers ---------------------------------------------------------------------------------------------------------
def _postgres(directory: Path, port: int) -> PostgresServer:
    """An installed one with TimescaleDB, where there is one: for both sides, so that the same server is compared."""
    installed = installed_postgres()
    settings = POSTGRES | (TIMESCALE if installed else {})
    return PostgresServer(
        directory, port, bin_path=installed[0] if installed else bundled_postgres(), settings=settings
    )


@contextmanager
def _before(directory: Path, given: Mapping[str, str]) -> Iterator[Before]:
    shutil.rmtree(directory, ignore_errors=True)
    side = Before()
    with ExitStack() as servers:
        redis_url, database_url, pid = given.get("BEFORE_REDIS_URL"), given.get("BEFORE_DATABASE_URL"), None
        if redis_url is None:
            redis = ValkeyServer(directory / "redis", free_port())
            servers.callback(redis.stop)
            redis.start()
            redis_url = redis.url
        if database_url is None:
            postgres = _postgres(directory / "postgres", free_port())
            servers.callback(postgres.stop)
            postgres.start()
            assert postgres.process is not None
            database_url, pid = postgres.url, postgres.process.pid
        _check_empty(redis_url, database_url)
        servers.callback(side.close)
        side.open(redis_url, database_url, postgres_pid=pid)
        yield side


@contextmanager
def _after(directory: Path, given: Mapping[str, str], scale: Scale, make: MakeAfter) -> Iterator[After]:
    names = {"DATABASE_URL": "AFTER_DATABASE_URL", "REDIS_URL": "AFTER_REDIS_URL", "CELERY_BROKER_URL": "BROKER_URL"}
    ours = {name: given[theirs] for name, theirs in names.items() if theirs in given}
    if "REDIS_URL" in ours or "DATABASE_URL" in ours:
        _check_empty(ours.get("REDIS_URL"), ours.get("DATABASE_URL"))
    stack = QuietStack(directory, 0, fresh=True, parts=(), given=ours, postgres=_postgres)
    with stack.running():
        side: After = make(stack, full_snapshot_interval=scale.full_snapshot_interval)
        server = stack.servers.get("DATABASE_URL")
        process = server.process if server else None
        try:
            side.open(
                stack.environment["REDIS_URL"],
                stack.environment["DATABASE_URL"],
                postgres_pid=process.pid if process else None,
            )
            yield side
        finally:
            side.close()


def _check_empty(redis_url: str | None, database_url: str | None) -> None:
    """A given server is written over: it must hold nothing. Raises ServerError."""
    import psycopg

    from tradeul_ops.connections import client

    if redis_url is not None:
        with client(redis_url) as redis:
            if keys := redis.dbsize():
                raise ServerError(f"{redis_url} holds {keys:,} keys; a proof takes an empty Redis only.")
    if database_url is not None:
        with psycopg.connect(database_url) as database:
            query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            [tables] = database.execute(query).fetchone() or (0,)
            if tables:
                raise ServerError(
                    f"the database of {database_url} has {tables} tables; a proof takes an empty one only."
                )
