"""How `timescale …` prints: tables of words for a person, plain values for a machine. Reads and decides nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

from timescale.engine.adoption import Lock, Step
from timescale.engine.durations import spell
from timescale.metrics import HypertablesSummary
from timescale.services.adoption import Plan
from timescale.services.verify import Check


def as_json(value: Any) -> str:
    """Durations are seconds, moments ISO 8601."""
    return json.dumps(plain(value), indent=2)


def plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as what they hold; the last one is not padded."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    )


def plan_table(plan: Plan) -> str:
    return table(("RELATION", "LOCK", "ABOUT", "STEP"), [(s.relation, _lock(s), _about(s), s.says) for s in plan.steps])


def _lock(step: Step) -> str:
    return "–" if step.lock is Lock.NONE else step.lock.value


def _about(step: Step) -> str:
    if not step.changes:
        return "kept"
    return "at once" if step.takes is None else "< 1 s" if step.takes < timedelta(seconds=1) else spell(step.takes)


def checks_table(checks: Iterable[Check]) -> str:
    """Each with its SQL under it: what can be pasted into psql."""
    marks = {True: "ok", False: "FAILS", None: "n/a"}
    lines = []
    for check in checks:
        lines += [
            f"{marks[check.ok]:6}{check.name}",
            f"      expected  {check.expected}",
            f"      found     {check.found}",
        ]
        lines += [f"      {line}" for line in check.sql.splitlines()] + [""]
    return "\n".join(lines).rstrip()


def status_table(summary: HypertablesSummary) -> str:
    version = f" {summary.edition_version}" if summary.edition_version else ""
    head = f"PostgreSQL {summary.server_version}, edition {summary.edition}{version}. {summary.edition_means}"
    if summary.jobs_trouble:
        head += f"\n{summary.jobs_trouble}"
    rows = [
        (
            row.condition,
            row.table,
            "unknown" if row.bytes is None else f"{row.bytes / 1e6:,.1f} MB",
            "–" if row.chunks is None else f"{row.chunks}, {row.compressed_chunks} compressed",
            spell(row.drop_after),
            row.enforced_by,
            row.columnstore,
            row.why,
        )
        for row in summary.rows
    ]
    aggregates = [(a.view, a.kind, a.refresh) for a in summary.aggregates]
    return "\n\n".join(
        [
            head,
            table(("CONDITION", "TABLE", "SIZE", "CHUNKS", "KEPT", "BY", "COLUMNSTORE", "WHY"), rows),
            table(("AGGREGATE", "KIND", "REFRESH"), aggregates),
        ]
    )
