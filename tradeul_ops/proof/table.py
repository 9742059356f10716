"""The guide's results, promised, before and after, as rows made of a proof. Promises stand here as numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from timescale.engine.edition import Edition
from tradeul_ops.demo.payloads import RATES
from tradeul_ops.proof.after import CHUNK, DROPPED_WITHIN, KEPT
from tradeul_ops.proof.rows import Row, Unit, Verdict, of_slopes, spell_bytes
from tradeul_ops.proof.run import Proof, stream_bounds
from tradeul_ops.proof.scale import FULL, MINUTE
from tradeul_ops.proof.side import Sample, Seen
from tradeul_ops.proof.slope import Slope, slope

USED_MEMORY = 200e6
RAM = 3.5e9
FULL_BYTES, DELTA_BYTES = 1e6, 200e3
TABLE_BYTES = 3e9  # of the guide's 12.5 million rows
# What "stable" means here, as a share of the growth before, two standard errors included. Time runs ten times too fast
# and beat does not: the careless stream's saw-tooth is ten times as high as it would be, and lies in that error.
GROWTH_SHARE = 0.1
LENGTHS = {
    "snapshots:raw": "50,003 → about 1,000",
    "stream:ranking:deltas": "20,000 → about 5,000",
    "stream:realtime:aggregates": "about 3,000",
    "tickers:filtered": "about 500",
    "events:session": "about 100",
}


def rows_of(proof: Proof) -> list[Row]:
    return [*_memory(proof), *_streams(proof), *_snapshots(proof), *_tables(proof), *_growth(proof), *_costs(proof)]


def kept(rows: Sequence[Row]) -> bool:
    """Whether every promise that this project makes was kept."""
    return all(row.verdict is not Verdict.MISSED for row in rows)


def steady(samples: Sequence[Sample], proof: Proof) -> list[Sample]:
    """Without the first minutes, in which what is bounded still fills up."""
    return list(samples[proof.scale.warm_up :]) or list(samples)


def _memory(proof: Proof) -> list[Row]:
    before, after, taken = proof.before, proof.after, proof.taken_over
    highest = max((sample.used_memory for sample in steady(after.samples, proof)), default=None)
    return [
        Row(
            "Redis `used_memory` (after: the highest)",
            Unit.BYTES,
            "743 → 150–200 MB",
            _used(before),
            highest,
            USED_MEMORY,
        ),
        Row("Redis resident (RSS)", Unit.BYTES, "", _rss(before), _rss(after)),
        Row(
            "the old Redis, its streams trimmed once: `used_memory`",
            Unit.BYTES,
            "743 → 150–200 MB",
            _used(before),
            taken.used_memory if taken else None,
            USED_MEMORY,
        ),
        Row("the same: resident; a libc build keeps it", Unit.BYTES, "", _rss(before), taken.rss if taken else None),
        Row(
            "memory in all: Redis, PostgreSQL, worker, beat",
            Unit.BYTES,
            "6–16 GB → below 3.5 GB",
            _in_all(before),
            _in_all(after),
            RAM,
        ),
    ]


def _streams(proof: Proof) -> list[Row]:
    bounds = stream_bounds()
    lengths = [
        Row(
            f"`{stream}`",
            Unit.COUNT,
            LENGTHS[stream],
            proof.before.lengths.get(stream),
            proof.after.lengths.get(stream),
            bounds[stream],
        )
        for stream in RATES
    ]
    lost = "entries that their group never got"
    return [*lengths, Row(lost, Unit.COUNT, "0", proof.before.never_delivered, proof.after.never_delivered, 0)]


def _snapshots(proof: Proof) -> list[Row]:
    before, after = proof.before, proof.after
    whole = _of(median, before.full_bytes)
    return [
        Row(
            "snapshot, full (after: the largest)",
            Unit.BYTES,
            "9 MB → 200 KB–1 MB",
            whole,
            _of(max, after.full_bytes),
            FULL_BYTES,
        ),
        Row(
            "snapshot, delta: median",
            Unit.BYTES,
            "9 MB → 50–200 KB",
            whole,
            _of(median, after.delta_bytes),
            DELTA_BYTES,
        ),
        Row(
            "snapshot, delta: the largest",
            Unit.BYTES,
            "9 MB → 50–200 KB",
            whole,
            _of(max, after.delta_bytes),
            DELTA_BYTES,
        ),
        Row(
            "tickers that a consumer has otherwise than the source",
            Unit.COUNT,
            "0",
            before.stale if before.compared else None,
            after.stale if after.compared else None,
            0,
        ),
    ]


def _tables(proof: Proof) -> list[Row]:
    before, after, scale = proof.before, proof.after, proof.scale
    # Retention drops whole chunks, an hour each, once an hour.
    minutes = (KEPT + CHUNK + DROPPED_WITHIN) / MINUTE
    live = (before.rows or 0) - scale.history_rows
    share = (before.rows or 0) / FULL.history_rows
    # A plain table keeps the pages of deleted rows for new ones: it stops growing, but does not shrink.
    bounded = None if proof.edition is Edition.NONE else TABLE_BYTES * min(1.0, share)
    promised = "10 → 2–3 GB" if share >= 1 else f"10 → 2–3 GB of 12.5 M rows: {spell_bytes(TABLE_BYTES * share)} here"
    return [
        Row("`scan_results`, with its indexes", Unit.BYTES, promised, before.table_bytes, after.table_bytes, bounded),
        Row(
            "`scan_results`, rows",
            Unit.COUNT,
            "12.5 → about 2 million: 3 days",
            before.rows,
            after.rows,
            scale.history_symbols * minutes + live,
        ),
        Row("chunks, or a table, that a policy has not got to", Unit.COUNT, "0", None, proof.left_to_bound, 0),
    ]


def _growth(proof: Proof) -> list[Row]:
    stable = f"stable: below {GROWTH_SHARE:.0%} of before"

    def grown(seen: Seen, of: Callable[[Sample], int | None]) -> Slope | None:
        points = [
            (sample.at, float(value)) for sample in steady(seen.samples, proof) if (value := of(sample)) is not None
        ]
        return slope(points)

    def row(what: str, promised: str, of: Callable[[Sample], int | None], share: float | None) -> Row:
        return of_slopes(what, promised, grown(proof.before, of), grown(proof.after, of), share=share)

    return [
        row("growth of `used_memory`", stable, lambda sample: sample.used_memory, GROWTH_SHARE),
        row("growth of Redis's RSS", "", lambda sample: sample.rss, None),
        row("growth of `scan_results`; after: of the hour's chunk", "", lambda sample: sample.table_bytes, None),
    ]


def _costs(proof: Proof) -> list[Row]:
    before, after = proof.before, proof.after
    seconds = proof.scale.market_time.total_seconds()

    def share(value: float | None) -> float | None:
        return None if value is None else 100 * value / seconds

    def redis(seen: Seen) -> tuple[float | None, float | None]:
        return (share(seen.redis.main_seconds), share(seen.redis.child_seconds)) if seen.redis else (None, None)

    main, child = zip(redis(before), redis(after), strict=True)
    writing = [
        Row(
            f"{what}: CPU of a service",
            Unit.SECONDS,
            "",
            before.client_seconds.get(what),
            after.client_seconds.get(what),
        )
        for what in before.client_seconds
    ]
    own = [Row(f"{name}: memory", Unit.BYTES, "", None, size) for name, size in after.processes.items()]
    return [
        Row("Redis, main thread: of a core, at the market's pace", Unit.PERCENT, "156 % → 30–50 %, of all", *main),
        Row("Redis, children that save, every 5 minutes of market", Unit.PERCENT, "", *child),
        Row(
            "PostgreSQL: of a core, at the market's pace",
            Unit.PERCENT,
            "691 % → 80–150 %",
            share(before.postgres_seconds),
            share(after.postgres_seconds),
        ),
        Row("PostgreSQL's memory", Unit.BYTES, "", before.postgres_bytes, after.postgres_bytes),
        *own,
        *writing,
    ]


def _used(seen: Seen) -> float | None:
    return seen.redis.used_memory if seen.redis else None


def _rss(seen: Seen) -> float | None:
    return seen.redis.rss if seen.redis else None


def _in_all(seen: Seen) -> float | None:
    rss = _rss(seen)
    if rss is None or seen.postgres_bytes is None:
        return None
    return rss + seen.postgres_bytes + sum(seen.processes.values())


def _of(figure: Callable[[list[int]], float], sizes: list[int]) -> float | None:
    return figure(sizes) if sizes else None
