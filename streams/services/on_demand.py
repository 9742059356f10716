"""Enforces the limits that an operator names: says first what would happen, then does it. Decides nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext

from streams import store
from streams.engine.loss import LossPreview
from streams.engine.outlook import Outlook, outlook_of
from streams.engine.plan import NODE_ENTRIES, Skip
from streams.models import Stream, TrimRun
from streams.services.enforcement import enforce_limit
from streams.services.previews import preview_loss_of
from streams.services.rules import known_streams, load_rules, remember
from tradeul_ops import audit
from tradeul_ops.connections import data_redis
from tradeul_ops.runs import Outcome


class TrimRefused(Exception):
    """The trim would take from groups more than was agreed to; `preview` says what."""

    def __init__(self, preview: LossPreview) -> None:
        super().__init__(gettext("Not trimmed. {sentence}").format(sentence=preview.sentence))
        self.preview = preview


class UnknownStreams(ValueError):
    """Streams that have no limit; the message names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimReport:
    """`settled`: the stream is where its limit lets it be, which may be above maxlen while a group needs the rest."""

    stream: str
    runs: tuple[TrimRun, ...]
    settled: bool
    why: str

    @property
    def trimmed(self) -> int:
        return sum(run.trimmed for run in self.runs)


def limited_streams(*, named: Sequence[str] = (), switched_off: bool = False) -> tuple[str, ...]:
    """Those `named`, once each; or all, without those whose limit is `switched_off`. Raises UnknownStreams."""
    rules = load_rules()
    streams = dict.fromkeys(named) or sorted({*known_streams(), *rules.exact_streams})
    found = {stream: limit for stream in streams if (limit := rules.limit_of(stream))}
    if named and (unknown := [stream for stream in streams if stream not in found]):
        raise UnknownStreams(gettext("No limit is for: {unknown}.").format(unknown=", ".join(unknown)))
    return tuple(stream for stream, limit in found.items() if named or switched_off or limit.enabled)


def plan_limits(*, named: Sequence[str]) -> dict[str, Outlook | store.StreamError]:
    """What enforcing these limits would do now, in their order. Changes nothing. Raises StoreError."""
    rules = load_rules()
    limits = {stream: limit for stream in named if (limit := rules.limit_of(stream))}
    measured = [stream for stream, limit in limits.items() if limit.max_bytes]
    states = store.read_states(data_redis(), list(limits), newest_of=measured)
    return {
        stream: state if isinstance(state, store.StreamError) else outlook_of(state, limit=limits[stream])
        for stream, state in states.items()
    }


def trim_stream(stream: str, *, now: datetime) -> TrimReport:
    """Enforces one limit to its end, however many sweeps' time that takes. Raises StoreError."""
    runs: list[TrimRun] = []
    while True:
        enforce_limit(stream, now=now)
        known, runs = len(runs), _runs_of(stream, now)
        if len(runs) == known or not _goes_on(runs[-1]):
            return _report(stream, tuple(runs))


def preview_trim(stream: str, *, now: datetime) -> LossPreview:
    """What enforcing its limit now would do. Raises UnknownStreams; a Redis that is away makes it unknown."""
    limited_streams(named=[stream])
    limit = load_rules().limit_of(stream)
    assert limit is not None
    return preview_loss_of(stream, old=None, new=limit, now=now)


def trim_agreed(stream: str, *, user_id: int, now: datetime, accepted_loss: int) -> TrimReport:
    """Trims as an operator asked for it on a page: not if groups lose more than `accepted_loss`, and audited.

    Raises TrimRefused, UnknownStreams and StoreError.
    """
    preview = preview_trim(stream, now=now)
    if not preview.allowed_by(accepted_loss):
        raise TrimRefused(preview)
    remember([stream])
    length = None if preview.problem else preview.length
    changes = {"trimmed by hand, entries before": (None, length)}
    audit.record(user_id=user_id, row=Stream.objects.get(name=stream), flag=audit.CHANGED, changes=changes)
    return trim_stream(stream, now=now)


def _runs_of(stream: str, now: datetime) -> list[TrimRun]:
    """What was recorded for this call; a failure that lasts has only been prolonged by it."""
    mine = Q(started_at=now) | Q(outcome=Outcome.FAILED, finished_at=now)
    return list(TrimRun.objects.filter(mine, stream=stream).order_by("id"))


def _goes_on(run: TrimRun) -> bool:
    """Out of a sweep's time, and getting somewhere: producers may add faster than a trim removes."""
    if run.outcome != Outcome.PARTIAL or run.length_after is None or run.length_before is None:
        return False
    return run.length_after < run.length_before


def _report(stream: str, runs: tuple[TrimRun, ...]) -> TrimReport:
    if runs:
        settled = runs[-1].outcome == Outcome.DONE
        stopped = "" if settled or runs[-1].outcome == Outcome.FAILED else gettext(" Stopped before its end.")
        return TrimReport(stream=stream, runs=runs, settled=settled, why=runs[-1].detail + stopped)
    settled, why = _why_nothing_went(stream)
    return TrimReport(stream=stream, runs=(), settled=settled, why=why)


def _why_nothing_went(stream: str) -> tuple[bool, str]:
    limit = load_rules().limit_of(stream)
    if limit is None:
        return False, gettext("Its limit was deleted meanwhile.")
    state = store.read_states(data_redis(), [stream], newest_of=[stream])[stream]
    if isinstance(state, store.StreamError):
        return False, str(state)
    outlook = outlook_of(state, limit=limit)
    if isinstance(outlook.plan, Skip):
        return limit.enabled, gettext("Nothing to trim: {reason}.").format(reason=outlook.plan.reason)
    above = outlook.length - outlook.plan.maxlen
    held_by = Stream.objects.filter(name=stream).values_list("held_by", flat=True).first()
    if held_by:
        what = (
            gettext("{above} above maxlen").format(above=f"{above:,}") if above > 0 else gettext("older than max_age")
        )
        return True, gettext("Nothing went: group {held_by} still needs the oldest entries, {what}.").format(
            held_by=held_by, what=what
        )
    if limit.approximate and above <= NODE_ENTRIES:
        return True, gettext("Nothing went: {number} entries above maxlen are less than one node.").format(
            number=f"{max(0, above):,}"
        )
    return False, gettext("Nothing went: its limit was just being edited, or entries came meanwhile. Try again.")
