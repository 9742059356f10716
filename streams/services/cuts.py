"""Puts on record what groups lost to producers' own XADD, found between two samples. Trims nothing; see engine.cuts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime

from django.db.models import F

from streams import store
from streams.engine.cuts import Cut, cut_between
from streams.engine.samples import FRESH_WITHIN, Sample
from streams.engine.state import StreamState
from streams.engine.trimming import GroupLost
from streams.models import Enforcement, TrimRun
from streams.services.records import losses_text, waiting
from tradeul_ops.connections import data_redis
from tradeul_ops.runs import Outcome


def find_cuts(before: Mapping[str, Sample], states: Iterable[StreamState], *, up_to: int) -> list[Cut]:
    """What others removed since `before` although a group needed it. `up_to`: the newest run when they were read.

    Raises StoreError.
    """
    candidates = [state for state in states if state.groups and state.stream in before]
    candidates = [state for state in candidates if cut_between(before[state.stream], state, trimmed=0, lost={})]
    if not candidates or waiting():
        return []
    trimmed, lost, unsure = _own_trims([state.stream for state in candidates], up_to=up_to)
    found = []
    for state in candidates:
        own = lost.get(state.stream, {})
        cut = cut_between(before[state.stream], state, trimmed=trimmed[state.stream], lost=own)
        if cut is not None and state.stream not in unsure:
            found.append(_with_pending(cut, state, own))
    return [cut for cut in found if cut.losses]


def _own_trims(streams: Iterable[str], *, up_to: int) -> tuple[Counter[str], dict[str, dict[str, GroupLost]], set[str]]:
    """How many entries this console trimmed since the last samples, what groups lost by it, where that is unsure."""
    since = Enforcement.objects.values_list("sampled_to", flat=True).first() or 0
    trimmed: Counter[str] = Counter()
    lost: dict[str, dict[str, GroupLost]] = {}
    unsure = set()
    for run in TrimRun.objects.filter(id__gt=since, id__lte=up_to, by_others=False, stream__in=streams):
        trimmed[run.stream] += run.trimmed
        _add(lost.setdefault(run.stream, {}), run.losses)
        if run.outcome == Outcome.PARTIAL and run.length_after is None:
            unsure.add(run.stream)  # begun, and nobody knows what it did
    return trimmed, lost, unsure


def record_cuts(cuts: Iterable[Cut], states: Mapping[str, StreamState], *, since: datetime, now: datetime) -> None:
    """In a transaction, with the samples that they were found by. One that goes on prolongs its row."""
    for cut in cuts:
        run = TrimRun.objects.filter(stream=cut.stream).first()
        if run is None or not run.by_others or now - run.finished_at > FRESH_WITHIN:
            run = TrimRun(stream=cut.stream, started_at=since, outcome=Outcome.DONE, by_others=True)
            run.length_before = states[cut.stream].length + (cut.removed or 0)
        losses: dict[str, GroupLost] = {}
        _add(losses, run.losses)
        _add(losses, {name: asdict(one) for name, one in cut.losses.items()})
        forced = needed_at_most(cut)
        run.finished_at, run.length_after = now, states[cut.stream].length
        run.trimmed, run.forced = run.trimmed + (cut.removed or 0), run.forced + forced
        run.losses = {name: asdict(one) for name, one in losses.items()}
        removed = f"{run.trimmed:,}" if run.trimmed else "an unknown number of"
        run.detail = (
            f"Producers' own XADD, or an XTRIM by hand, removed {removed} entries from {cut.stream}"
            f"{losses_text(run)}: {run.length_after:,} left."
        )
        run.save()
        Enforcement.objects.filter(id=1).update(forced=F("forced") + forced)


def needed_at_most(cut: Cut) -> int:
    """How many of the entries that others removed a group still needed; 0 where nobody can say."""
    each = (
        lost.pending + (cut.removed or 0 if lost.undelivered is None else lost.undelivered)
        for lost in cut.losses.values()
    )
    most = max(each, default=0)
    return most if cut.removed is None else min(cut.removed, most)


def _with_pending(cut: Cut, state: StreamState, own: Mapping[str, GroupLost]) -> Cut:
    """What is pending of the entries that were there before and are gone, without what this console's trims took."""
    if cut.first_id is None:
        return cut
    names = [group.name for group in state.groups if group.pending]
    losses = dict(cut.losses)
    for name, pending in store.count_pending_gone(data_redis(), state, names, since=cut.first_id).items():
        if (more := pending - own.get(name, GroupLost()).pending) > 0:
            unread = losses[name].undelivered if name in losses else 0
            losses[name] = GroupLost(undelivered=unread, pending=more)
    return Cut(stream=cut.stream, removed=cut.removed, first_id=cut.first_id, losses=losses)


def _add(losses: dict[str, GroupLost], more: Mapping[str, Mapping[str, int | None]]) -> None:
    for name, one in more.items():
        losses.setdefault(name, GroupLost()).add(one["undelivered"], one["pending"] or 0)
