"""Proves that a running stack does its main job: looks from outside, as a browser, a redis-cli and a psql would."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import redis

from snapshots.publisher import SnapshotReader
from tradeul_ops import connections
from tradeul_ops.demo.browser import Browser
from tradeul_ops.demo.servers import ServerError
from tradeul_ops.demo.stack import OPERATOR, Stack

SHORTEST_SECONDS = 60.0
DELTAS_WANTED = 8
OLD_ROWS = 500
EDITED_STREAM = "stream:ranking:deltas"
EDITED_MAXLEN = 2000
EDIT_SECONDS = 1.0  # an edit must be obeyed within
SNAPSHOT = "enriched"
SOURCE = "snapshot:enriched:latest"
NODE_ENTRIES = 100  # an approximate trim may leave this many above the cap: one node of the smallest entries
BEAT_SECONDS = 6.0  # one enforcement tick, with its run


@dataclass
class Report:
    """What was seen. `passed` only if every expectation held; `failures` are sentences."""

    seconds: float = 0.0
    streams: dict[str, Any] = field(default_factory=dict)
    snapshot: dict[str, Any] = field(default_factory=dict)
    limit_edit: dict[str, Any] = field(default_factory=dict)
    retention: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    logged_errors: dict[str, list[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failures

    def expect(self, held: bool, otherwise: str) -> None:
        if not held:
            self.failures.append(otherwise)

    def as_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, **asdict(self)}

    def as_text(self) -> str:
        lines = [f"{'passed' if self.passed else 'FAILED'} after {self.seconds:.0f} s"]
        for name, part in self.as_dict().items():
            if isinstance(part, dict) and part:
                lines.append(f"\n{name.replace('_', ' ')}")
                lines += [f"  {key}: {value}" for key, value in part.items()]
        return "\n".join([*lines, *(f"✗ {failure}" for failure in self.failures)]) + "\n"


def run(stack: Stack, *, seconds: float) -> Report:
    """Takes `seconds` in all. Raises ServerError when a process of the stack dies meanwhile."""
    checker = _Checker(stack, started=time.monotonic(), seconds=seconds)
    checker.put_old_rows()
    checker.wait(until=seconds * 0.45)
    checker.edit_limit()
    checker.wait(until=seconds - 20)
    checker.look_at_streams()
    checker.look_at_pages()
    checker.look_at_snapshot()
    checker.wait(until=seconds)
    checker.look_at_retention()
    checker.look_at_logs()
    checker.report.seconds = round(time.monotonic() - checker.started, 1)
    return checker.report


@dataclass
class _Checker:
    stack: Stack
    started: float
    seconds: float
    report: Report = field(default_factory=Report)
    data: redis.Redis = field(init=False)
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.data = connections.client(self.stack.environment["REDIS_URL"])
        self.browser = Browser(self.stack.url)
        self.browser.login(OPERATOR, self.stack.operator_password)

    # --- time --------------------------------------------------------------------------------------------------------
    def wait(self, *, until: float) -> None:
        while time.monotonic() - self.started < until:
            self._until(lambda: time.monotonic() - self.started >= until, within=1.0)

    def _until(self, predicate: Callable[[], bool], *, within: float) -> bool:
        """Whether it came true in time; a process of the stack that died ends the check."""
        end = time.monotonic() + within
        while not predicate():
            if (dead := self.stack.dead_child()) is not None:
                raise ServerError(f"{dead.name} ended with exit code {dead.process.returncode} during the check.")
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    @contextmanager
    def _database(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.stack.environment["DATABASE_URL"], autocommit=True) as connection:
            yield connection

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._database() as database:
            return database.execute(query, values).fetchall()

    # --- retention ---------------------------------------------------------------------------------------------------
    def put_old_rows(self) -> None:
        (drop_after,) = self._rows(
            "SELECT drop_after FROM timescale_hypertablepolicy WHERE table_name = 'scan_results'"
        )[0]
        age: timedelta = drop_after + timedelta(hours=2)
        self._rows(
            "INSERT INTO scan_results (time, symbol, session, price) "
            "SELECT now() - %s - n * interval '1 second', 'OLD' || n, 'CHECK', 1 FROM generate_series(1, %s) n "
            "ON CONFLICT DO NOTHING RETURNING 1",
            age,
            OLD_ROWS,
        )
        self.report.retention = {"bound": str(drop_after), "rows_put_past_it": self._old_rows()}
        self.report.expect(self._old_rows() == OLD_ROWS, "the rows past retention could not be put")

    def _old_rows(self) -> int:
        return int(self._rows("SELECT count(*) FROM scan_results WHERE session = 'CHECK'")[0][0])

    def look_at_retention(self) -> None:
        left = self._old_rows()
        self.report.retention["rows_left_past_it"] = left
        self.report.retention["rows_within_it"] = int(self._rows("SELECT count(*) FROM scan_results")[0][0]) - left
        self.report.expect(
            left == 0, f"{left} of {OLD_ROWS} rows of scan_results older than their retention are still there"
        )

    # --- the edit ----------------------------------------------------------------------------------------------------
    def edit_limit(self) -> None:
        """Through the web form, while MONITOR watches what the producer, another process, sends afterwards."""
        asked = "SELECT id FROM streams_streamlimit WHERE pattern = %s AND NOT is_ceiling"
        (limit_id,) = self._rows(asked, EDITED_STREAM)[0]
        seen = threading.Event()
        seen_at: list[float] = []
        listening = threading.Event()

        def watch() -> None:
            with connections.client(self.stack.environment["REDIS_URL"], socket_timeout=10).monitor() as monitor:  # type: ignore[no-untyped-call]
                listening.set()
                for command in monitor.listen():
                    words = str(command["command"]).split()
                    if words[:2] == ["XADD", EDITED_STREAM] and str(EDITED_MAXLEN) in words[2:6]:
                        seen_at.append(time.monotonic())
                        seen.set()
                        return

        threading.Thread(target=watch, daemon=True).start()
        listening.wait(5)
        before = self.data.xlen(EDITED_STREAM)
        changes = {"maxlen": str(EDITED_MAXLEN), "trim_threshold": str(EDITED_MAXLEN + 400), "protect_groups": None}
        page = self.browser.submit(f"/streams/limits/{limit_id}/", changes)
        saved_at = time.monotonic()
        saved = self._rows("SELECT maxlen FROM streams_streamlimit WHERE id = %s", limit_id)[0][0] == EDITED_MAXLEN
        obeyed = self._until(seen.is_set, within=EDIT_SECONDS)
        bound = EDITED_MAXLEN + NODE_ENTRIES
        shortened = self._until(lambda: int(self.data.xlen(EDITED_STREAM)) <= bound, within=EDIT_SECONDS)
        self.report.limit_edit = {
            "stream": EDITED_STREAM,
            "maxlen_after": EDITED_MAXLEN,
            "length_before": before,
            "length_after": self.data.xlen(EDITED_STREAM),
            "page_status": page.status,
            "producer_obeyed_after_ms": round(max(0.0, seen_at[0] - saved_at) * 1000, 1) if seen_at else None,
        }
        self.report.expect(saved, f"the form did not save the edited limit (HTTP {page.status})")
        self.report.expect(
            obeyed, f"no XADD with MAXLEN {EDITED_MAXLEN} was seen within {EDIT_SECONDS:.0f} s of the edit"
        )
        self.report.expect(
            shortened, f"{EDITED_STREAM} was not at most {bound} entries long within {EDIT_SECONDS:.0f} s"
        )

    # --- streams -----------------------------------------------------------------------------------------------------
    def look_at_streams(self) -> None:
        limits = self._rows(
            "SELECT pattern, maxlen, trim_threshold, hard_maxlen, protect_groups FROM streams_streamlimit WHERE enabled"
        )
        overview = self.browser.get("/").text
        for stream, maxlen, threshold, hard_maxlen, protect_groups in limits:
            held_by = self._holder(stream, maxlen) if protect_groups else None
            bound = (hard_maxlen if held_by else threshold) + NODE_ENTRIES
            within = self._until(lambda s=stream, b=bound: int(self.data.xlen(s)) <= b, within=BEAT_SECONDS)  # type: ignore[misc]
            info: Any = self.data.xinfo_stream(stream)
            length, added = int(info["length"]), int(info["entries-added"])
            size = int(self.data.memory_usage(stream, samples=0) or 0)
            self.report.streams[stream] = {
                "limit": maxlen,
                "bound_now": bound,
                "held_by": held_by,
                "entries_without_limit": added,
                "entries_with_limit": length,
                "bytes_without_limit": round(size / max(1, length) * added),
                "bytes_with_limit": size,
            }
            self.report.expect(within, f"{stream} holds {length} entries, more than {bound}")
            self.report.expect(added > bound, f"{stream} never overran its limit: only {added} entries were added")
            if held_by:
                self.report.expect(held_by in overview, f"the overview does not say that {held_by} holds {stream}")

    def _holder(self, stream: str, maxlen: int) -> str | None:
        """The group that still needs more than maxlen entries, if there is one."""
        groups: Any = self.data.xinfo_groups(stream)
        behind = {g["name"].decode(): int(g["lag"] or 0) + int(g["pending"]) for g in groups}
        slowest = max(behind, key=lambda name: behind[name], default=None)
        return slowest if slowest and behind[slowest] > maxlen else None

    # --- snapshots ---------------------------------------------------------------------------------------------------
    def look_at_snapshot(self) -> None:
        """The market is held still meanwhile, so that the source at that sequence can be read at leisure."""
        market = self.stack.child("market").process
        os.kill(market.pid, signal.SIGSTOP)
        try:
            reader = SnapshotReader(self.data, SNAPSHOT)
            source: dict[str, Any] = {}

            def equal() -> bool:
                nonlocal source
                raw: Any = self.data.hgetall(SOURCE)
                source = {symbol.decode(): json.loads(value) for symbol, value in raw.items()}
                reader.refresh()
                return bool(source) and reader.state() == source

            rebuilt = self._until(equal, within=15.0)
        finally:
            os.kill(market.pid, signal.SIGCONT)
        builds = dict(
            self._rows("SELECT kind, count(*) FROM snapshots_snapshotbuild WHERE outcome = 'done' GROUP BY kind")
        )
        sizes = self._rows(
            "SELECT max(raw_bytes), "
            "percentile_disc(0.5) WITHIN GROUP (ORDER BY stored_bytes) FILTER (WHERE kind = 'delta'), "
            "max(stored_bytes) FILTER (WHERE kind = 'full') FROM snapshots_snapshotbuild WHERE outcome = 'done'"
        )[0]
        self.report.snapshot = {
            "tickers": len(source),
            "fulls": builds.get("full", 0),
            "deltas": builds.get("delta", 0),
            "raw_bytes": sizes[0],
            "delta_bytes_median": sizes[1],
            "full_bytes": sizes[2],
            "sequence": reader.sequence,
            "rebuilt_equals_source": rebuilt,
        }
        self.report.expect(rebuilt, "the state rebuilt from full and deltas differs from the source")
        self.report.expect(builds.get("full", 0) >= 1, "no full snapshot was built")
        self.report.expect(builds.get("delta", 0) >= DELTAS_WANTED, f"only {builds.get('delta', 0)} deltas were built")

    # --- pages and logs ----------------------------------------------------------------------------------------------
    def look_at_pages(self) -> None:
        token = {"Authorization": f"Bearer {self.stack.environment['METRICS_TOKEN']}"}
        metrics = Browser(self.stack.url).get("/api/v1/internal/memory-metrics", token)
        pages = {path: self.browser.get(path).status for path in ("/", "/streams/", "/health/live", "/health/ready")}
        self.report.pages = {**pages, "/api/v1/internal/memory-metrics": metrics.status}
        for path, status in self.report.pages.items():
            self.report.expect(status == 200, f"{path} answered {status}")
        if metrics.status == 200:
            answer = json.loads(metrics.text)
            self.report.memory = answer.get("redis", {})
            expected = {"streams", "timescaledb", "timestamp"} <= answer.keys() and answer["streams"]["stats"][
                "is_running"
            ]
            self.report.expect(
                bool(expected), "memory-metrics lacks what the guide promises, or says that nothing runs"
            )

    def look_at_logs(self) -> None:
        for child in self.stack.children:
            self.report.logged_errors[child.name] = child.errors[:5]
            self.report.expect(not child.errors, f"{child.name} logged an error: {child.errors[:1]}")
