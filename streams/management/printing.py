"""How `manage.py streams` writes what it was told: table and sentences for a terminal, fields for JSON. Asks nobody."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from streams.engine.outlook import Outlook
from streams.engine.plan import Skip, Trim
from streams.engine.state import GroupState
from streams.engine.words import size_text
from streams.metrics import NamelessFound, StreamRow
from streams.services.definitions import Difference
from streams.services.on_demand import TrimReport
from streams.store import StreamError

UNMANAGED_NAMED = 20
UNKNOWN, NONE = "unknown", "–"
IN_KEY = ("pattern", "is_ceiling")
UNSAID = ("priority 0", *(f"{name} {NONE}" for name in ("max_age", "max_bytes", "ignore_groups_idle_for")))
HEAD = ("stream", "length", "limit", "ceiling", "bytes", "lag of the slowest group", "condition", "why")
FIGURES = frozenset(HEAD[1:5])


def table(rows: Iterable[StreamRow]) -> str:
    """Columns under each other, figures flush right; the last column is as long as it is."""
    lines = [HEAD, *(tuple(map(printable, cells(row))) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if name in FIGURES else cell.ljust(width)
            for cell, width, name in zip(line, widths, HEAD, strict=True)
        ).rstrip()
        for line in lines
    )


def printable(text: str) -> str:
    """A group may be called anything, and so also what moves a terminal's cursor."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def slowest(groups: Sequence[GroupState]) -> str:
    """The largest lag and whose it is; where one is unknown the largest may be that."""
    if not groups:
        return NONE
    known = max(((group.lag, group.name) for group in groups if group.lag is not None), default=None)
    unknown = ", ".join(group.name for group in groups if group.lag is None)
    if known is None:
        return f"{UNKNOWN} ({unknown})"
    return f"≥ {known[0]:,} ({known[1]}), {unknown} {UNKNOWN}" if unknown else f"{known[0]:,} ({known[1]})"


def group_sentence(group: GroupState) -> str:
    unread = "an unknown number" if group.lag is None else f"{group.lag:,}"
    return f"{group.name} ({unread} unread, {group.pending:,} pending)"


def value(said: Any) -> str:
    """A limit's field, as an edit shows it."""
    if said is None:
        return NONE
    if isinstance(said, bool):
        return "yes" if said else "no"
    if isinstance(said, timedelta):
        return f"{said.total_seconds():g} s"
    return repr(said) if isinstance(said, str) else f"{said:,}"


def as_json(said: Any) -> str:
    """Durations as seconds, moments in ISO 8601."""
    return json.dumps(said, default=_plain, indent=2, ensure_ascii=False)


def _plain(said: Any) -> Any:
    if isinstance(said, timedelta):
        return said.total_seconds()
    if isinstance(said, datetime):
        return said.isoformat()
    raise TypeError(f"{said!r} has no JSON form here.")


def cells(row: StreamRow) -> tuple[str, ...]:
    ceiling = NONE if row.hard_maxlen is None or not row.protect_groups else count(row.hard_maxlen)
    return (
        row.stream,
        count(row.length),
        value(row.maxlen if row.maxlen is not None else row.max_age),
        ceiling,
        NONE if row.exists is False else UNKNOWN if row.bytes is None else size_text(row.bytes),
        UNKNOWN if row.exists is None else slowest(row.groups),
        row.condition,
        row.why,
    )


def unmanaged_sentence(names: Sequence[str]) -> str:
    """“No limit is for 2 streams, which grow until one is: orders, trades.”"""
    more = f" and {len(names) - UNMANAGED_NAMED:,} more" if len(names) > UNMANAGED_NAMED else ""
    which = "1 stream, which grows" if len(names) == 1 else f"{len(names):,} streams, which grow"
    return f"No limit is for {which} until one is: {', '.join(names[:UNMANAGED_NAMED])}{more}."


def nameless_sentence(found: NamelessFound) -> str:
    r"""“2 streams have a key that no limit can name: "\xff" (300 entries), "" (70 entries).”"""
    shown = found.longest[:UNMANAGED_NAMED]
    more = f" and {len(found) - len(shown):,} more" if len(found) > len(shown) else ""
    which = "1 stream has" if len(found) == 1 else f"{len(found):,} streams have"
    named = ", ".join(f"{one.key} ({count(one.length)} entries)" for one in shown)
    grow = "grows" if len(found) == 1 else "grow"
    return f"{which} a key that no limit can name, and {grow} unless somebody trims by hand: {named}{more}."


def row_fields(row: StreamRow) -> dict[str, Any]:
    fields = asdict(row)
    if row.condition == "unknown":
        fields["groups"] = None
    return fields


def outlook_sentence(outlook: Outlook | StreamError) -> str:
    if isinstance(outlook, StreamError):
        return f"Unknown: {outlook}"
    if isinstance(outlook.plan, Skip):
        return f"Skip: {outlook.plan.reason}."
    said = f"Trim to {outlook.plan.maxlen:,}: at most {outlook.at_most:,} of {outlook.length:,} entries go."
    if outlook.holders:
        who = ", ".join(map(group_sentence, outlook.holders))
        said += f" The rest may be held by {who}, up to {outlook.plan.hard_maxlen:,}."
    if outlook.above_ceiling:
        said += f" At most {outlook.above_ceiling:,} go above that ceiling, needed or not."
    return said


def outlook_fields(stream: str, outlook: Outlook | StreamError) -> dict[str, Any]:
    if isinstance(outlook, StreamError):
        return {"stream": stream, "action": "unknown", "reason": str(outlook)}
    skip = isinstance(outlook.plan, Skip)
    plan = {"reason": outlook.plan.reason} if isinstance(outlook.plan, Skip) else _trim_fields(outlook.plan)
    holders = [asdict(group) for group in outlook.holders]
    return {
        "stream": stream,
        "action": "skip" if skip else "trim",
        "length": outlook.length,
        **plan,
        "at_most": outlook.at_most,
        "above_ceiling": outlook.above_ceiling,
        "holders": holders,
    }


def _trim_fields(trim: Trim) -> dict[str, Any]:
    return {"maxlen": trim.maxlen, "hard_maxlen": trim.hard_maxlen, "approximate": trim.approximate}


def report_fields(report: TrimReport) -> dict[str, Any]:
    return {
        "stream": report.stream,
        "settled": report.settled,
        "why": report.why,
        "trimmed": report.trimmed,
        "runs": [{field.name: field.value_from_object(run) for field in run._meta.fields} for run in report.runs],
    }


def difference_sentence(difference: Difference) -> str:
    if difference.kind == "update":
        moves = [f"{name} {value(old)} → {value(new)}" for name, old, new in difference.changes]
    else:
        said = [(name, new) for name, _, new in difference.changes if name not in IN_KEY]
        moves = [move for name, new in said if (move := f"{name} {value(new)}") not in UNSAID]
    return f"{difference.kind} {difference.key}{': ' if moves else ''}{', '.join(moves)}"
