"""What groups lost to others' trims, between two readings of a stream: producers' own XADD, or an XTRIM by hand.

Judges readings; takes none. What was removed in between and this console did not remove, others did. A group that
stood still while it went has lost what went beyond its place, exactly. One that read on meanwhile may have read it
first: then only the server's own count can tell, and where it can't, nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.engine.ids import parse_id
from streams.engine.samples import GroupSample, Sample
from streams.engine.state import GroupState, StreamState
from streams.engine.trimming import GroupLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """`removed` None: before Redis 7 the server does not count. `first_id`: of what was there before, None: nothing.

    `losses`: unread entries that groups lost; what they lost of those pending is to be asked for.
    """

    stream: str
    removed: int | None
    first_id: str | None
    losses: Mapping[str, GroupLost] = field(default_factory=dict)


def cut_between(before: Sample, state: StreamState, *, trimmed: int, lost: Mapping[str, GroupLost]) -> Cut | None:
    """`trimmed` and `lost`: what this console removed of the stream in between, and what groups lost by that.

    None: nobody else removed anything, or the key was made anew.
    """
    if not state.exists or not _moved_on(before.first_id, state):
        return None
    removed = added = None
    if before.entries_added is not None and state.entries_added is not None:
        added = state.entries_added - before.entries_added
        removed = before.length + added - state.length - trimmed
        if added < 0 or removed <= 0:
            return None
    elif trimmed:
        return None  # who removed how much can't be told apart
    losses = {}
    seen = {group.name: group for group in before.groups}
    for group in state.groups:
        if group.name in seen:
            unread = _unread_lost(seen[group.name], group, before, state, added)
            own = lost.get(group.name, GroupLost())
            if unread is not None:
                unread = 0 if own.undelivered is None else max(0, unread - own.undelivered)
            if removed is not None and unread is not None:
                unread = min(unread, removed)
            if unread != 0:
                losses[group.name] = GroupLost(undelivered=unread)
    return Cut(stream=state.stream, removed=removed, first_id=before.first_id, losses=losses)


def _moved_on(first_id: str | None, state: StreamState) -> bool:
    if first_id is None:  # of an empty stream
        return state.entries_added is not None
    return state.first_id is None or parse_id(state.first_id) > parse_id(first_id)


def _unread_lost(
    seen: GroupSample, group: GroupState, before: Sample, state: StreamState, added: int | None
) -> int | None:
    """How many entries it had not read and can't read any more; None: some, and nobody can say how many."""
    stood_still = seen.last_delivered_id == group.last_delivered_id
    if stood_still and _lies_behind(group, state):
        if seen.lag is not None and added is not None:
            return max(0, seen.lag + added - state.length)
        return None if seen.lag != 0 or _has_new(group, state) else 0
    if stood_still or seen.missed is None or group.missed is None:
        return 0
    return max(0, group.missed - seen.missed)


def _lies_behind(group: GroupState, state: StreamState) -> bool:
    """What it would read next is gone, or is the first entry that is left."""
    return state.first_id is None or parse_id(group.last_delivered_id) < parse_id(state.first_id)


def _has_new(group: GroupState, state: StreamState) -> bool:
    return state.last_id is not None and parse_id(group.last_delivered_id) < parse_id(state.last_id)
