"""Sparklines and charts for the pages, as SVG from the server: they need no script, and no style of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from tradeul_ops import charts, market_sessions, sparklines
from tradeul_ops.console.templatetags.figures import UNKNOWN, bytes_, count, span
from tradeul_ops.console.zones import spell_offset

register = template.Library()

TREND_WORDS = {"rising": gettext_lazy("rising"), "falling": gettext_lazy("falling"), "flat": gettext_lazy("flat")}
ARROWS = {"rising": "↑", "falling": "↓"}
WORDS = {"entries": lambda value: count(round(value)), "bytes": bytes_}
WIDE, NARROW = (960, 280), (360, 240)


@register.simple_tag
def sparkline(
    points: Sequence[sparklines.Spot] | None,
    limit: float | None = None,
    *,
    unit: str = "entries",
    gap: float | None = None,
    over: str = "",
) -> str:
    """96 × 20: its lowest and highest in words, the last point marked, the limit as a faint line where it is near."""
    drawn = sparklines.sparkline(points or (), limit=limit, gap=gap)
    word, over = WORDS[unit], over or gettext("the last hour")
    title = gettext("No samples in {over} yet").format(over=over)
    if drawn.lowest is not None and drawn.highest is not None:
        title = gettext("{lowest} to {highest} in {over}").format(
            lowest=word(drawn.lowest), highest=word(drawn.highest), over=over
        )
    if drawn.last is None:
        return format_html('<span title="{}">–</span>', title)
    x, y = drawn.last
    # One with every part: each part of its own would be as much work as all of this.
    return format_html(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{title}">'
        '<title>{title}</title><path class="limit" d="{limit}"/><path class="line" d="{path}"/>'
        '<circle class="last" cx="{x}" cy="{y}" r="2"/></svg>',
        w=str(drawn.width),
        h=str(drawn.height),
        title=title,
        limit="" if drawn.limit is None else f"M0 {drawn.limit}H{drawn.width}",
        path=drawn.path,
        x=str(x),
        y=str(y),
    )


@register.inclusion_tag("_chart.html")
def chart(
    points: Sequence[charts.Point],
    since: datetime,
    until: datetime,
    *,
    title: str,
    levels: Sequence[charts.Level] = (),
    marks: Sequence[charts.Mark] = (),
    unit: str = "entries",
    gap: timedelta | None = None,
) -> dict[str, Any]:
    """Drawn twice, for wide and for narrow screens, because the letters of an SVG shrink with it."""
    told_in = timezone.get_current_timezone()
    drawn = [
        charts.chart(
            points,
            since=since,
            until=until,
            levels=levels,
            marks=marks,
            gap=gap,
            zone=told_in,
            width=width,
            height=height,
        )
        for width, height in (WIDE, NARROW)
    ]
    word = WORDS[unit]
    first = drawn[0]
    told = (
        gettext("nothing known")
        if first.lowest is None
        else gettext("from {lowest} to {highest}").format(lowest=word(first.lowest), highest=word(first.highest))
    )
    return {
        "sizes": [
            {"chart": one, "kind": kind, "values": [(y, word(value)) for y, value in one.values]}
            for one, kind in zip(drawn, ("wide", "narrow"), strict=True)
        ],
        "chart": first,
        "levels": [(level, word(level.value)) for level in levels],
        "title": f"{title}: {told}",
        "zone": spell_offset(until.astimezone(told_in)),
        "sessions": sorted({band.kind: band.name for band in first.bands}.items(), key=_order),
    }


@register.filter
def rate(value: float) -> str:
    """An hourly rate, to the entry where it is small: 310, 12,400, 0.4."""
    return f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.1f}"


@register.filter
def full_in(value: timedelta) -> str:
    """“full in 3 h 10 m”, by the growth of the last minutes."""
    return gettext("full in {span}").format(span=span(value)) if value else gettext("full: the oldest go")


@register.simple_tag
def direction(trend: Any, unit: str = "entries", *, unknown: str = "") -> str:
    """Where something is going, as arrow, word and hourly rate: ↑ rising 310/h. A flat one has no rate."""
    if trend is None or trend.per_hour is None:
        return format_html('<span class="trend">{}</span>', unknown or UNKNOWN)
    if trend.word == "flat":
        return format_html('<span class="trend">→ {}</span>', TREND_WORDS["flat"])
    number = bytes_(abs(trend.per_hour)) if unit == "bytes" else rate(abs(trend.per_hour))
    return format_html(
        '<span class="trend {}">{} {} {}/h</span>', trend.word, ARROWS[trend.word], TREND_WORDS[trend.word], number
    )


@register.filter
def of(values: Mapping[Any, Any] | None, name: Any) -> Any:
    """What stands under a name, or None."""
    return values.get(name) if values else None


def _order(session: tuple[str, str]) -> int:
    return [kind for kind, *_ in market_sessions.SESSIONS].index(session[0])
