"""Puts a stream's samples beside its state, for the pages: where it goes, its history, its limit's changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from streams.engine.abandoned import AbandonedGroup
from streams.engine.limits import Limit
from streams.engine.plan import NODE_ENTRIES
from streams.engine.samples import FINE, MINUTE, NO_SERIES, TEN_MINUTES, Sample, Series
from streams.engine.state import StreamState
from streams.engine.trend import NOTHING_KNOWN, StreamTrend, trend_of
from streams.models import StreamLimit
from streams.services.groups import abandoned_groups
from streams.services.rules import load_rules
from streams.services.samples import recent_samples, samples_between
from streams.store import StreamError
from tradeul_ops.sparklines import Spot

CHANGES_DRAWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where a stream goes. `series`: its last hour; `abandoned`: groups that nobody reads in any more."""

    series: Series = NO_SERIES
    trend: StreamTrend = NOTHING_KNOWN
    abandoned: tuple[AbandonedGroup, ...] = ()

    gap = 3 * MINUTE  # seconds

    @property
    def points(self) -> tuple[Spot, ...]:
        return tuple(zip(self.series.times, self.series.lengths, strict=True))


UNSEEN = Course()


@dataclass(frozen=True, slots=True)
class Span:
    """A choice of history: how long, of which mark, and how far apart two samples are that belong together."""

    word: str
    text: str | Promise
    long: timedelta
    mark: int

    @property
    def gap(self) -> timedelta:
        return timedelta(seconds=3 * self.mark)


SPANS = (
    Span("1h", gettext_lazy("hour"), timedelta(hours=1), FINE),
    Span("6h", gettext_lazy("6 hours"), timedelta(hours=6), MINUTE),
    Span("1d", gettext_lazy("day"), timedelta(days=1), MINUTE),
    Span("7d", gettext_lazy("7 days"), timedelta(days=7), TEN_MINUTES),
)


@dataclass(frozen=True, slots=True)
class LimitChange:
    at: datetime
    by: str
    text: str


def span_of(word: str | None) -> Span:
    """The hour, for what is none of them."""
    return next((span for span in SPANS if span.word == word), SPANS[0])


def read_courses(
    limits: Mapping[str, Limit],
    states: Mapping[str, StreamState | StreamError],
    *,
    held: Collection[str],
    now: datetime,
) -> dict[str, Course]:
    """One query for all, and one round trip more where a group seems abandoned. Raises StoreError.

    `held`: streams that a group keeps above their limit. The others are trimmed back, and never full.
    """
    recent = recent_samples(limits, now=now)
    newest = {stream: series.newest_groups for stream, series in recent.items()}
    quiet = abandoned_groups(
        (state for state in states.values() if isinstance(state, StreamState)), newest=newest, now=now
    )
    return dict.fromkeys(limits, UNSEEN) | {
        stream: Course(
            series=recent[stream],
            trend=trend_of(recent[stream], now=now, **(_bounds(limit) if stream in held else {})),
            abandoned=quiet.get(stream, ()),
        )
        for stream, limit in limits.items()
        if stream in recent
    }


def read_history(stream: str, *, span: Span, now: datetime) -> list[Sample]:
    return samples_between(stream, since=now - span.long, until=now, mark=span.mark)


def limit_changes(stream: str, *, since: datetime) -> tuple[LimitChange, ...]:
    """The newest edits of the limits that hold for it, from old to new."""
    effective = load_rules().effective(stream)
    holding = [rule.pattern for rule in (effective.own, *effective.ceilings) if rule]
    rows = StreamLimit.objects.filter(pattern__in=holding).values_list("pk", flat=True)
    lines = (
        LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(StreamLimit),
            object_id__in=[str(pk) for pk in rows],
            action_time__gte=since,
        )
        .select_related("user")
        .order_by("-action_time")[:CHANGES_DRAWN]
    )
    return tuple(LimitChange(line.action_time, line.user.get_username(), _said(line)) for line in reversed(lines))


def _said(line: LogEntry) -> str:
    return (
        line.get_change_message().removeprefix("Changed ").removesuffix(".") or line.get_action_flag_display().lower()
    )


def _bounds(limit: Limit) -> dict[str, int | None]:
    """A ceiling only where the limit keeps entries for groups; below the threshold the next trim takes growth back."""
    if not limit.enabled or not limit.protect_groups:
        return {"ceiling": None, "bounded_at": None}
    slack = NODE_ENTRIES if limit.approximate else 0
    return {"ceiling": limit.hard_maxlen, "bounded_at": limit.starts_at + slack}
