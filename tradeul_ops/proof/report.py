"""A proof as text, as JSON and as a page. Measures nothing and judges nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tradeul_ops.proof.comparison import Comparison
from tradeul_ops.proof.rows import Row, Verdict, markdown
from tradeul_ops.proof.run import Proof
from tradeul_ops.proof.side import Seen
from tradeul_ops.proof.table import kept

COSTLIEST = 6


def text(proof: Proof, rows: Sequence[Row]) -> str:
    """The guide's table in Markdown, with what it was measured on, and what was made smaller."""
    lines = [headline(proof), "", markdown(rows), ""]
    for seen, name in ((proof.before, "before"), (proof.after, "after")):
        if seen.redis:
            calls = (
                f"{command} {seconds:.2f} s in {count:,}" for command, count, seconds in seen.redis.costliest(COSTLIEST)
            )
            lines.append(f"Redis's costliest commands {name}: {', '.join(calls)}.")
    lines += [f"Smaller than the guide: {note}." for note in proof.scale.notes]
    lines += [f"Note: {note}." for note in proof.notes]
    missed = [row.what for row in rows if row.verdict is Verdict.MISSED]
    lines.append(f"Missed: {'; '.join(missed)}." if missed else "Every promise was kept.")
    return "\n".join(lines)


def headline(proof: Proof) -> str:
    servers = ", ".join(f"{name} {version}" for name, version in proof.versions.items())
    scale = proof.scale
    minutes = scale.market_time.total_seconds() / 60
    return (
        f"Scale {scale.name}: {scale.tickers:,} tickers, {minutes:.0f} minutes of market in {scale.ticks} ticks, "
        f"{proof.before.sent:,} entries a side, {scale.history_rows:,} older scans; {servers}. "
        f"Took {proof.seconds:.0f} s."
    )


def document(proof: Proof, rows: Sequence[Row]) -> str:
    """One JSON object; bytes, seconds, and per cent of a core."""
    return json.dumps(
        {
            "kept": kept(rows),
            "scale": {
                "name": proof.scale.name,
                "tickers": proof.scale.tickers,
                "ticks": proof.scale.ticks,
                "history_rows": proof.scale.history_rows,
                "smaller_than_the_guide": proof.scale.notes,
            },
            "notes": proof.notes,
            "edition": proof.edition,
            "versions": proof.versions,
            "seconds": round(proof.seconds, 1),
            "rows": [_row(row) for row in rows],
            "before": _seen(proof.before),
            "after": _seen(proof.after),
        },
        indent=2,
    )


def comparison_text(found: Comparison) -> str:
    """The tables in Markdown, as docs/performance.md has them."""
    return "\n\n".join([*map(str, found.tables), found.headline])


def comparison_document(found: Comparison) -> str:
    """One JSON object; each table with its columns' units, and of each way a number a column."""
    tables = [
        {
            "title": table.title,
            "units": dict(table.columns),
            "ways": [{"way": way.name, **dict(zip(table.columns, way.figures, strict=True))} for way in table.ways],
        }
        for table in found.tables
    ]
    told = {"scale": found.scale, "versions": found.versions, "seconds": round(found.seconds, 1), "tables": tables}
    return json.dumps(told, indent=2)


def _row(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "unit": row.unit,
        "promised": row.promised,
        "before": row.before,
        "before_error": row.before_error,
        "after": row.after,
        "after_error": row.after_error,
        "limit": row.limit,
        "verdict": row.verdict,
    }


def _seen(seen: Seen) -> dict[str, Any]:
    redis = seen.redis
    return {
        "commands": [
            {"command": command, "calls": calls, "seconds": round(seconds, 4)}
            for command, calls, seconds in (redis.costliest(COSTLIEST) if redis else ())
        ],
        "redis_cpu_seconds": {
            "main": redis.main_seconds,
            "all_threads": redis.all_seconds,
            "children": redis.child_seconds,
        }
        if redis
        else None,
        "postgresql_cpu_seconds": seen.postgres_seconds,
        "database_bytes": seen.database_bytes,
        "entries_added": seen.added,
        "process_cpu_seconds": seen.process_seconds,
        "samples": [
            [sample.at, sample.used_memory, sample.rss, sample.entries, sample.table_bytes] for sample in seen.samples
        ],
    }
