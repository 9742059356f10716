"""Draws what only tables have: the split of a size, the strip of chunks, the line of a size. Reads nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils.translation import gettext

from timescale.engine.amounts import spell_bytes
from timescale.engine.chunks import Bar
from timescale.engine.durations import spell
from timescale.models import AggregatePolicy, TableSample
from timescale.store.chunks import CHUNKS_READ
from timescale.store.sizes import Sizes

register = template.Library()


@register.filter
def growth(value: float | None) -> str:
    """Bytes a day with its sign: +1.2 MB."""
    if value is None:
        return "unknown"
    return ("−" if value < 0 else "+") + spell_bytes(abs(value))


@register.filter
def duration(value: timedelta | None) -> str:
    """As the forms take it: 3 00:00:00."""
    if value is None:
        return ""
    days, rest = divmod(int(value.total_seconds()), 86_400)
    return f"{days} {rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"


@register.filter
def window_start(policy: AggregatePolicy, now: datetime) -> str:
    return f"{now - policy.start_offset:%Y-%m-%d %H:%M}"


@register.filter
def window_end(policy: AggregatePolicy, now: datetime) -> str:
    return f"{now - policy.end_offset:%Y-%m-%d %H:%M}"


@register.inclusion_tag("timescale/_split.html")
def size_split(sizes: Sizes, *, wide: bool = False) -> dict[str, Any]:
    """Table, index, toast and columnstore as one bar; nothing where the server can't say."""
    named = {
        "table": sizes.table_bytes,
        "index": sizes.index_bytes,
        "toast": sizes.toast_bytes,
        "columnstore": sizes.columnstore_bytes,
    }
    known = {name: value for name, value in named.items() if value}
    whole, x, parts = sum(known.values()), 0.0, []
    for name, value in known.items():
        width = 100 * value / whole
        parts.append({"name": name, "bytes": value, "x": round(x, 2), "width": round(width, 2)})
        x += width
    title = ", ".join(f"{name} {spell_bytes(value)}" for name, value in known.items())
    return {"parts": parts, "title": title, "wide": wide}


@register.inclusion_tag("timescale/_strip.html")
def chunk_strip(bars: Sequence[Bar]) -> dict[str, Any]:
    counts: dict[str, int] = dict.fromkeys(("row", "partial", "column", "past"), 0)
    counts |= Counter(bar.chunk.form for bar in bars)
    counts["past"] = sum(bar.past for bar in bars)
    first, last = bars[0].chunk, bars[-1].chunk
    reach = ""
    if first.range_start and last.range_end:
        reach = gettext(" from {range_start} to {range_end} UTC").format(
            range_start=f"{first.range_start:%Y-%m-%d %H:%M}", range_end=f"{last.range_end:%Y-%m-%d %H:%M}"
        )
    forms = gettext("{counts} row, {counts_2} partial, {counts_3} column").format(
        counts=counts["row"], counts_2=counts["partial"], counts_3=counts["column"]
    )
    return {
        "bars": bars,
        "newest_first": tuple(reversed(bars)),
        "counts": counts,
        "cut": len(bars) == CHUNKS_READ,
        "title": f"{len(bars)} chunks{reach}: {forms}",
    }


@register.inclusion_tag("timescale/_line.html")
def size_line(samples: Sequence[TableSample]) -> dict[str, Any]:
    """The size over the last day, between its smallest and its largest."""
    known = [(sample.taken_at, sample.bytes) for sample in samples if sample.bytes is not None]
    if len(known) < 2:
        return {"points": ""}
    start, end = known[0][0], known[-1][0]
    low, high = min(size for _, size in known), max(size for _, size in known)
    span, height = (end - start).total_seconds() or 1, (high - low) or 1
    points = " ".join(
        f"{300 * (at - start).total_seconds() / span:.1f},{37 - 34 * (size - low) / height:.1f}" for at, size in known
    )
    return {
        "points": points,
        "title": gettext("{low} to {high} in {spell}").format(
            low=spell_bytes(low), high=spell_bytes(high), spell=spell(end - start)
        ),
    }


@register.inclusion_tag("timescale/_sort_header.html", takes_context=True)
def sort_header(
    context: dict[str, Any], label: str, key: str, *, number: bool = False, explained: str = ""
) -> dict[str, Any]:
    """A heading that sorts: largest first at the first click of a number, then the other way round.

    `explained`: what says where its figures come from, see the console's explanations; empty: nothing does.
    """
    query, asked = context["request"].GET.copy(), context["request"].GET.get("sort", "")
    first, second = (f"-{key}", key) if number else (key, f"-{key}")
    query["sort"] = second if asked == first else first
    way = {key: "ascending", f"-{key}": "descending"}.get(asked, "")
    return {"label": label, "href": f"?{query.urlencode()}", "sorted": way, "number": number, "explained": explained}
