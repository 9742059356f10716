"""Numbers with units, ages and gauges for the pages. An unknown number is the word unknown, never 0."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy

from tradeul_ops.console.zones import spell_offset

register = template.Library()

UNKNOWN = gettext_lazy("unknown")
UNITS = ("KB", "MB", "GB", "TB")
CONDITIONS = {
    "within": gettext_lazy("within"),
    "attention": gettext_lazy("attention"),
    "over": gettext_lazy("over"),
    "unknown": UNKNOWN,
}
MARKS = {"within": "●", "attention": "▲", "over": "■", "unknown": "○"}


@register.filter
def count(value: int | None) -> str:
    """12345 → 12,345."""
    return str(UNKNOWN) if value is None else f"{value:,}"


@register.filter
def bound(value: int | timedelta | None) -> str:
    """A bound, or the dash of one that is not set."""
    if value is None:
        return "–"
    return span(value) if isinstance(value, timedelta) else count(value)


@register.filter
def told(value: Any) -> str:
    """A field's value as a change says it."""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if value is None or isinstance(value, int | timedelta):
        return bound(value)
    return f"“{value}”"


@register.filter(name="bytes")
def bytes_(value: float | None) -> str:
    """Decimal units, as disks and networks are sold: 10812000 → 10.8 MB."""
    if value is None:
        return str(UNKNOWN)
    if abs(value) < 1000:
        return f"{value:.0f} B"
    power = 1
    while abs(value) / 1000**power >= 999.5 and power < len(UNITS):
        power += 1
    value /= 1000**power
    return f"{value:.0f} {UNITS[power - 1]}" if abs(value) >= 99.95 else f"{value:.1f} {UNITS[power - 1]}"


@register.filter
def ratio(value: float | None) -> str:
    """0.998 → 99.8 %."""
    return str(UNKNOWN) if value is None else f"{value * 100:.1f} %"


@register.filter
def span(value: timedelta | None) -> str:
    """A length of time in at most two units: 3 d, 4 m 58 s, 0.4 s."""
    if value is None:
        return str(UNKNOWN)
    seconds = value.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s")]
    first = next(index for index, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)


@register.filter
def took(milliseconds: float | None) -> str:
    """How long a piece of work took: 240 ms, 20.9 s, 4 m 58 s."""
    if milliseconds is None:
        return str(UNKNOWN)
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 99_950 else span(timedelta(milliseconds=milliseconds))


@register.filter
def ago(value: datetime | None, now: datetime | None = None) -> str:
    if value is None:
        return gettext("never")
    return gettext("{span} ago").format(span=span(max(timedelta(), (now or timezone.now()) - value)))


@register.filter
def clock(value: datetime | None) -> str:
    """The time of day in the zone that the person chose."""
    return gettext("never") if value is None else f"{timezone.localtime(value):%H:%M:%S}"


@register.filter
def zone(value: datetime | None) -> str:
    """What stands after a `clock`: the offset that this moment has in that zone. UTC, UTC−5."""
    return "" if value is None else spell_offset(timezone.localtime(value))


@register.filter
def moment(value: datetime | None, now: datetime) -> str:
    """The time of day in the zone that the person chose, with the date where it was another day."""
    if value is None:
        return gettext("never")
    there = timezone.localtime(value)
    return clock(value) if there.date() == timezone.localtime(now).date() else f"{there:%Y-%m-%d %H:%M:%S}"


@register.simple_tag
def explain(name: str, of: str = "") -> str:
    """The link beside a figure that opens what it is made of; see console.explanations. Works without a script."""
    query = urlencode({"explain": name, "of": of} if of else {"explain": name})
    if name == "page":
        return format_html('<a class="explain whole" href="?{}">{}</a>', query, gettext("How these numbers were read"))
    said = gettext("Where this comes from")
    return format_html('<a class="explain" href="?{}" title="{}" aria-label="{}">?</a>', query, said, said)


@register.simple_tag
def condition(word: str, *, told: bool = False) -> str:
    """A state as shape and word: readable without colour. Written here: pages have a hundred, a template costs more."""
    said = CONDITIONS[word]
    return format_html(
        '<span class="condition {}" title="{}"><span aria-hidden="true">{}</span><span class="{}">{}</span></span>',
        word,
        said,
        MARKS[word],
        "told" if told else "unseen",
        said,
    )


@register.simple_tag
def gauge(
    length: int | None,
    maxlen: int | None,
    ceiling: int | None = None,
    word: str = "within",
    *,
    full: float | None = None,
) -> str:
    """A track with its fill, a tick at the limit and a heavier one at the ceiling, in hundredths of the track.

    `full` is what the whole track stands for; by default a little more than the limit, and always all that is drawn.
    None: unknown, or no such limit. Written here: a template spells a number as people do, 12,5, and costs more.
    """
    full = max(length or 0, full or (maxlen or 0) * 1.25, ceiling or 0) or 1
    said = gettext("{length} of {limit}, ceiling {ceiling}") if ceiling else gettext("{length} of {limit}")
    title = said.format(length=count(length), limit=bound(maxlen), ceiling=ceiling and count(round(ceiling)))
    ticks = [("limit", maxlen, 0.7), ("ceiling", ceiling, 1.4)]
    return format_html(
        '<svg class="gauge {}" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<title>{}</title><rect class="track" width="100" height="8"/>'
        '<rect class="fill" width="{}" height="8"/>{}</svg>',
        word,
        title,
        title,
        str(round(100 * (length or 0) / full, 2)),
        format_html_join(
            "",
            '<rect class="{}" x="{}" width="{}" height="8"/>',
            ((name, str(round(100 * at / full, 2)), str(width)) for name, at, width in ticks if at),
        ),
    )
