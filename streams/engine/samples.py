"""What is kept of a stream's states over time: one sample a tick, thinned with age. Reads no clock and no row.

Every tick takes a sample of each stream; those that are the first of their minute, or of their ten minutes, are marked
so when they are written, and are the ones that stay longest. Thinning is then a plain delete by mark and age.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.engine.state import GroupState, StreamState

TICK = timedelta(seconds=10)
FINE, MINUTE, TEN_MINUTES = 10, 60, 600  # seconds: the marks
KEPT_FOR = {FINE: timedelta(hours=6), MINUTE: timedelta(days=2), TEN_MINUTES: timedelta(days=8)}
GROUPS_KEPT = 50  # a sample, those that need most: a stream may have thousands of groups, and a row should stay small

# Three ticks missed: what was sampled last says no more how things stand.
FRESH_WITHIN = 3 * TICK


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSample:
    """`still_since`: it was given nothing and acknowledged nothing after that. `moved`: it was seen moving then.

    Without `moved` the group was still from the first sample of it on, and may have been long before. `missed` is
    GroupState's.
    """

    name: str
    lag: int | None
    pending: int
    last_delivered_id: str
    still_since: datetime
    moved: bool
    missed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A stream at one moment. None is what the server could not say, never 0."""

    at: datetime
    length: int
    bytes: int | None = None
    entries_added: int | None = None
    first_id: str | None = None
    groups: tuple[GroupSample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A stream's last hour as columns, from old to new: pages read tens of thousands of samples, and values cost more.

    `times` in seconds since 1970. `groups`: (time, packed) of the last ten minutes. `first_id` of the newest.
    """

    times: Sequence[float] = ()
    lengths: Sequence[int] = ()
    bytes: Sequence[int | None] = ()
    entries_added: Sequence[int | None] = ()
    first_id: str | None = None
    groups: Sequence[tuple[float, Sequence[Sequence[Any]]]] = ()

    def fresh(self, now: datetime) -> bool:
        """Whether the newest of them still says how things stand."""
        return bool(self.times) and now.timestamp() - self.times[-1] <= FRESH_WITHIN.total_seconds()

    @property
    def newest_groups(self) -> dict[str, GroupSample]:
        """By name; none where the newest is older than ten minutes."""
        return {group.name: group for group in unpack_groups(self.groups[-1][1])} if self.groups else {}


NO_SERIES = Series()


def sample_of(state: StreamState, *, previous: Sample | None, at: datetime) -> Sample:
    before = {group.name: group for group in previous.groups} if previous else {}
    storable = (group for group in state.groups if "\0" not in group.name)  # PostgreSQL's JSON can't hold it
    neediest = sorted(storable, key=lambda group: (-_need(group, state), group.name))[:GROUPS_KEPT]
    return Sample(
        at=at,
        length=state.length,
        bytes=state.bytes,
        entries_added=state.entries_added,
        first_id=state.first_id,
        groups=tuple(_group(group, before.get(group.name), at) for group in neediest),
    )


def mark_of(at: datetime, *, previous: datetime | None) -> int:
    """10, 60 or 600: how coarse a view of history this tick is part of. `previous`: when the last tick was."""
    for mark in (TEN_MINUTES, MINUTE):
        if previous is None or _bucket(at, mark) != _bucket(previous, mark):
            return mark
    return FINE


def pack_groups(groups: Iterable[GroupSample]) -> list[list[Any]]:
    """As JSON without names: this is most of what a row weighs."""
    return [
        [one.name, one.lag, one.pending, one.last_delivered_id, int(one.still_since.timestamp()), int(one.moved)]
        + ([] if one.missed is None else [one.missed])
        for one in groups
    ]


def unpack_groups(packed: Sequence[Sequence[Any]]) -> tuple[GroupSample, ...]:
    return tuple(
        GroupSample(
            name=name,
            lag=lag,
            pending=pending,
            last_delivered_id=delivered,
            still_since=datetime.fromtimestamp(still_since, tz=UTC),
            moved=bool(moved),
            missed=missed[0] if missed else None,
        )
        for name, lag, pending, delivered, still_since, moved, *missed in packed
    )


def _group(group: GroupState, before: GroupSample | None, at: datetime) -> GroupSample:
    same = before is not None and (before.last_delivered_id, before.pending) == (group.last_delivered_id, group.pending)
    return GroupSample(
        name=group.name,
        lag=group.lag,
        pending=group.pending,
        last_delivered_id=group.last_delivered_id,
        still_since=before.still_since if before and same else at,
        moved=before.moved if before and same else before is not None,
        missed=group.missed,
    )


def _need(group: GroupState, state: StreamState) -> int:
    return (state.length if group.lag is None else group.lag) + group.pending


def _bucket(at: datetime, seconds: int) -> int:
    return int(at.timestamp()) // seconds
