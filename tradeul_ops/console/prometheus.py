"""/metrics: what Prometheus pulls, read from the servers at each scrape. Counts nothing itself: workers can't differ.

What is unknown is absent, never 0; a source that is away leaves out its metrics and sets its `tradeul_source_up` to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from snapshots.metrics import SnapshotsSummary, snapshots_summary
from streams.metrics import StreamRow, StreamsSummary, streams_summary
from timescale.metrics import HypertablesSummary, hypertables_summary
from tradeul_ops.console.panels import read
from tradeul_ops.console.processes import Processes, processes_summary

# Label values of a metric; the streams beyond are summed as OTHER, the rest is left out.
MOST_STREAMS = 50
MOST_GROUPS = 200
MOST_THINGS = 50
OTHER = "other"
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# Name → what it is, and its labels. Those that end in _total are counters.
METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tradeul_source_up": ("1 while the source could be read for this scrape", ("source",)),
    "tradeul_redis_used_bytes": ("used_memory of the data server", ()),
    "tradeul_redis_rss_bytes": ("used_memory_rss of the data server", ()),
    "tradeul_redis_maxmemory_bytes": ("maxmemory of the data server; absent without one", ()),
    "tradeul_streams_count": ("Limited streams by condition: within, attention, over, unknown", ("condition",)),
    "tradeul_unmanaged_streams_count": ("Streams on the server that no limit is for", ()),
    "tradeul_nameless_streams_count": ("Streams whose key no limit can name; beat never trims them", ()),
    "tradeul_producers_count": ("Producers that said hello within the last seconds", ()),
    "tradeul_stream_entries": (f"Length; the largest {MOST_STREAMS} by bytes, the rest as {OTHER}", ("stream",)),
    "tradeul_stream_bytes": (f"Size; the largest {MOST_STREAMS}, the rest as {OTHER}", ("stream",)),
    "tradeul_stream_maxlen_entries": ("Entries that stay after a trim", ("stream",)),
    "tradeul_stream_hard_maxlen_entries": ("Length at which the cap wins over what groups need", ("stream",)),
    "tradeul_stream_usage_ratio": ("Length by maxlen; 1 is full", ("stream",)),
    "tradeul_stream_over": ("1 while the stream is over its limit, 0 while not", ("stream",)),
    "tradeul_group_lag_entries": ("Entries a group has not read; absent where Redis can't tell", ("stream", "group")),
    "tradeul_group_pending_entries": ("Entries delivered and not acknowledged", ("stream", "group")),
    "tradeul_trimmed_entries_total": ("Entries trimmed since install", ()),
    "tradeul_trimmed_bytes_total": ("Bytes trimmed since install, as the server estimated them", ()),
    "tradeul_snapshot_age_seconds": ("Since the last successful build", ("snapshot",)),
    "tradeul_snapshot_tickers_count": ("Tickers in the published state", ("snapshot",)),
    "tradeul_snapshot_stored_bytes": ("All keys of the snapshot in Redis", ("snapshot",)),
    "tradeul_snapshot_full_bytes": ("The newest full, compressed", ("snapshot",)),
    "tradeul_snapshot_delta_bytes": ("The newest delta, compressed", ("snapshot",)),
    "tradeul_hypertable_bytes": ("Size with indexes", ("table",)),
    "tradeul_hypertable_rows": ("Rows, estimated", ("table",)),
    "tradeul_hypertable_chunks_count": ("Chunks; absent for a plain table", ("table",)),
    "tradeul_hypertable_oldest_age_seconds": ("Age of the oldest row; absent for an empty table", ("table",)),
    "tradeul_hypertable_drop_after_seconds": ("What its policy keeps", ("table",)),
    "tradeul_hypertable_over": ("1 while rows past the bound are kept, 0 while not", ("table",)),
    "tradeul_aggregate_behind_seconds": ("How far it lags its source; absent where nobody can tell", ("view",)),
    "tradeul_database_bytes": ("Size of the database", ()),
    "tradeul_process_up": ("1 while the process says that it lives", ("role",)),
    "tradeul_process_seen_age_seconds": ("Since it last said so; absent after an hour", ("role",)),
    "tradeul_scrape_duration_seconds": ("How long this answer took to read", ()),
}


@dataclass(eq=False)
class Scrape(Collector):
    """One answer, as of `now`; `clock` counts seconds."""

    now: datetime
    clock: Callable[[], float]
    _families: dict[str, Metric] = field(default_factory=dict)

    def collect(self) -> Iterable[Metric]:
        self._families = {}
        started = self.clock()
        sources: tuple[tuple[str, Callable[..., Any], Callable[[Any], None]], ...] = (
            ("redis", streams_summary, self._streams),
            ("snapshots", snapshots_summary, self._snapshots),
            ("timescaledb", hypertables_summary, self._tables),
            ("processes", processes_summary, self._processes),
        )
        for name, source, take in sources:
            panel = read(f"prometheus: {name}", source, now=self.now)
            self._add("tradeul_source_up", float(not panel.stale), name)
            if not panel.stale:
                take(panel.value)
        self._add("tradeul_scrape_duration_seconds", self.clock() - started)
        return list(self._families.values())

    def _add(self, name: str, value: float | timedelta | None, *labels: str) -> None:
        """None is unknown: nothing is added, and the series is absent."""
        if value is None:
            return
        if name not in self._families:
            told, label_names = METRICS[name]
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            self._families[name] = family(name, told, labels=label_names)
        number = value.total_seconds() if isinstance(value, timedelta) else float(value)
        self._families[name].add_metric(list(labels), number)  # type: ignore[attr-defined]

    def _streams(self, seen: StreamsSummary) -> None:
        memory = seen.memory
        self._add("tradeul_redis_used_bytes", memory.used_bytes)
        self._add("tradeul_redis_rss_bytes", memory.rss_bytes)
        self._add("tradeul_redis_maxmemory_bytes", memory.maxmemory_bytes or None)
        for word in ("within", "attention", "over", "unknown"):
            self._add("tradeul_streams_count", sum(row.condition == word for row in seen.rows), word)
        self._add("tradeul_unmanaged_streams_count", len(seen.unmanaged))
        self._add("tradeul_nameless_streams_count", len(seen.nameless))
        self._add("tradeul_producers_count", None if seen.producers_error else len(seen.producers))
        self._add("tradeul_trimmed_entries_total", seen.trimmed_entries)
        self._add("tradeul_trimmed_bytes_total", seen.trimmed_bytes)
        largest, rest = _largest(seen.rows)
        for row in largest:
            self._add("tradeul_stream_entries", row.length, row.stream)
            self._add("tradeul_stream_bytes", row.bytes, row.stream)
            self._add("tradeul_stream_maxlen_entries", row.maxlen, row.stream)
            self._add("tradeul_stream_hard_maxlen_entries", row.hard_maxlen, row.stream)
            self._add("tradeul_stream_usage_ratio", row.usage_ratio, row.stream)
            if row.condition != "unknown":
                self._add("tradeul_stream_over", row.condition == "over", row.stream)
        for name, numbers in (
            ("tradeul_stream_entries", [row.length for row in rest]),
            ("tradeul_stream_bytes", [row.bytes for row in rest]),
        ):
            self._add(name, _sum(numbers), OTHER)
        groups = [(row.stream, group) for row in largest for group in row.groups]
        groups.sort(key=lambda one: -1 if one[1].lag is None else one[1].lag, reverse=True)
        for stream, group in groups[:MOST_GROUPS]:
            self._add("tradeul_group_lag_entries", group.lag, stream, group.name)
            self._add("tradeul_group_pending_entries", group.pending, stream, group.name)

    def _snapshots(self, seen: SnapshotsSummary) -> None:
        for row in [row for row in seen.rows if row.enabled][:MOST_THINGS]:
            self._add("tradeul_snapshot_age_seconds", row.age, row.name)
            self._add("tradeul_snapshot_tickers_count", row.tickers, row.name)
            self._add("tradeul_snapshot_stored_bytes", row.stored_bytes, row.name)
            self._add("tradeul_snapshot_full_bytes", row.full_bytes, row.name)
            self._add("tradeul_snapshot_delta_bytes", row.delta_bytes, row.name)

    def _tables(self, seen: HypertablesSummary) -> None:
        self._add("tradeul_database_bytes", seen.database_bytes)
        for row in seen.rows[:MOST_THINGS]:
            self._add("tradeul_hypertable_bytes", row.bytes, row.table)
            self._add("tradeul_hypertable_rows", row.rows_estimate, row.table)
            self._add("tradeul_hypertable_chunks_count", row.chunks, row.table)
            oldest = None if row.oldest_at is None else max(timedelta(), self.now - row.oldest_at)
            self._add("tradeul_hypertable_oldest_age_seconds", oldest, row.table)
            if row.enabled:
                self._add("tradeul_hypertable_drop_after_seconds", row.drop_after, row.table)
            if row.condition != "unknown":
                self._add("tradeul_hypertable_over", row.condition == "over", row.table)
        for view in seen.aggregates[:MOST_THINGS]:
            self._add("tradeul_aggregate_behind_seconds", view.behind, view.view)

    def _processes(self, seen: Processes) -> None:
        for process in (seen.worker, seen.beat):
            self._add("tradeul_process_up", process.condition == "within", process.role)
            age = None if process.last_seen is None else max(timedelta(), self.now - process.last_seen)
            self._add("tradeul_process_seen_age_seconds", age, process.role)


def exposition(*, now: datetime, clock: Callable[[], float]) -> bytes:
    """The answer in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Scrape(now, clock))
    return generate_latest(registry)


def _largest(rows: Iterable[StreamRow]) -> tuple[list[StreamRow], list[StreamRow]]:
    """Those with a label of their own, and the rest. One that is called as the rest is belongs to it."""
    ordered = sorted(rows, key=lambda row: (row.bytes is None, -(row.bytes or 0), row.stream))
    named = [row for row in ordered if row.stream != OTHER][:MOST_STREAMS]
    kept = {row.stream for row in named}
    return named, [row for row in ordered if row.stream not in kept]


def _sum(numbers: list[int | None]) -> int | None:
    """Unknown where one of them is, or there is none."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None
