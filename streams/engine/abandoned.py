"""Groups that nobody reads in any more, and what is kept for them. Destroys none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.engine.ids import parse_id
from streams.engine.samples import GroupSample
from streams.engine.state import GroupState, StreamState
from streams.engine.words import size_text, span_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a group has not read and acknowledged. None is unknown; `entries` counts neither twice nor what is gone."""

    entries: int | None
    bytes: int | None
    unread: int | None
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedGroup:
    """`quiet_since`: nobody asked in it, was given anything or acknowledged anything after that.

    `last_active` is the same where something was seen then; None where it has been quiet for as long as it is watched.
    """

    stream: str
    name: str
    needs: Needs
    consumers: int
    quiet_since: datetime
    last_active: datetime | None

    def quiet_for(self, now: datetime) -> timedelta:
        return now - self.quiet_since

    def sentence(self, now: datetime) -> str:
        """“Group pricing of tickers:filtered was last used 3 h ago: 41,000 entries, 12.0 MB, are unread …”"""
        quiet = span_text(self.quiet_for(now))
        used = f"was last used {quiet} ago" if self.last_active else f"has not been used in the {quiet} it is watched"
        size = "" if self.needs.bytes is None else f", {size_text(self.needs.bytes)},"
        kept = (
            "an unknown number of entries is"
            if self.needs.entries is None
            else f"{self.needs.entries:,} entries{size} are"
        )
        return f"Group {self.name} of {self.stream} {used}: {kept} unread or not acknowledged."


def needs_of(group: GroupState, *, state: StreamState) -> Needs:
    """Pending ids can belong to entries that are gone: never more than the stream holds."""
    if group.lag is None:
        entries = None
    elif state.first_id is not None and parse_id(group.last_delivered_id) < parse_id(state.first_id):
        entries = state.length
    else:
        entries = min(state.length, group.lag + group.pending)
    size = None if entries is None or state.bytes is None else state.bytes * entries // max(1, state.length)
    return Needs(entries=entries, bytes=size, unread=group.lag, pending=group.pending)


def quiet_in_samples(
    state: StreamState, samples: Mapping[str, GroupSample], *, now: datetime, after: timedelta
) -> tuple[str, ...]:
    """Those groups that need something and did not move for `after`: the ones whose consumers are worth asking for."""
    return tuple(
        group.name
        for group in state.groups
        if needs_of(group, state=state).entries != 0
        and (seen := samples.get(group.name)) is not None
        and _unmoved(group, seen)
        and now - seen.still_since >= after
    )


def abandoned(
    state: StreamState,
    *,
    samples: Mapping[str, GroupSample],
    idle: Mapping[str, timedelta | None],
    now: datetime,
    after: timedelta,
) -> tuple[AbandonedGroup, ...]:
    """`idle`: group → how long ago the last of its consumers asked, None where it has none. Those missing are skipped.

    A group whose consumers still ask is slow, not abandoned, whatever lies pending in it. One without consumers says
    nothing of its past: then samples must have seen it still for as long.
    """
    found = (
        _quiet(group, state, samples.get(group.name), idle[group.name], now)
        for group in state.groups
        if group.name in idle and needs_of(group, state=state).entries != 0
    )
    return tuple(_worst_first(one for one in found if one and one.quiet_for(now) >= after))


def _quiet(
    group: GroupState, state: StreamState, seen: GroupSample | None, idle: timedelta | None, now: datetime
) -> AbandonedGroup | None:
    if seen is not None and not _unmoved(group, seen):
        return None  # it moved since the last sample
    known = [seen.still_since] if seen is not None and seen.moved else []
    known += [now - idle] if idle is not None else []
    last_active = max(known, default=None)
    quiet_since = last_active or (seen.still_since if seen else None)
    if quiet_since is None:
        return None
    return AbandonedGroup(
        stream=state.stream,
        name=group.name,
        needs=needs_of(group, state=state),
        consumers=group.consumers,
        quiet_since=quiet_since,
        last_active=last_active,
    )


def _unmoved(group: GroupState, seen: GroupSample) -> bool:
    return (group.last_delivered_id, group.pending) == (seen.last_delivered_id, seen.pending)


def _worst_first(found: Iterable[AbandonedGroup]) -> list[AbandonedGroup]:
    return sorted(found, key=lambda one: (-(one.needs.entries or 0), one.name))
