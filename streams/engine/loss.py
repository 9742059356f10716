"""What a change of a limit would remove, and what of it a group still needs. Changes nothing; unknown stays unknown.

A limit removes what groups need beyond its ceiling where they are protected, and beyond its own bounds where not. A
change that lowers neither loses nothing that was not lost before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf

from streams.engine.ids import EntryId, parse_id
from streams.engine.limits import LARGEST, Limit
from streams.engine.plan import in_entries, minid_of
from streams.engine.state import CLOCKS_APART_MS, EARLIEST_MS, GroupState, StreamState
from streams.engine.words import size_text, span_text

PENDING_COUNTED = 10_000
ANY_LOSS = LARGEST  # accepted where nobody can say how much it is


@dataclass(frozen=True, slots=True)
class Cut:
    """`last_removed`: the newest id that would go. `pending`: per group how many up to it, at most PENDING_COUNTED."""

    last_removed: str
    pending: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLoss:
    """One group's loss. None: unknown; `at_most` bounds both together. `pending_or_more`: not counted to the end."""

    name: str
    undelivered: int | None
    pending: int | None
    pending_or_more: bool
    at_most: int

    @property
    def known(self) -> bool:
        return self.undelivered is not None and self.pending is not None and not self.pending_or_more

    @property
    def sentence(self) -> str:
        """“Group pricing loses at least 980 unread entries.” Empty where it loses nothing."""
        if not self.at_most:
            return ""
        parts = [f"{self.undelivered:,} unread entries"] if self.undelivered else []
        parts += [f"{self.pending:,} not acknowledged"] if self.pending else []
        if self.known:
            return f"Group {self.name} loses {' and '.join(parts)}."
        if parts:
            return f"Group {self.name} loses at least {' and '.join(parts)}, and at most {self.at_most:,} in all."
        return f"How much of it group {self.name} still needs is unknown: it may lose up to {self.at_most:,} entries."


@dataclass(frozen=True, slots=True, kw_only=True)
class LossPreview:
    """`keeps`, `freed_bytes` and `oldest_kept_age` are estimates; None is unknown, as is `at_most` with a `problem`.

    `lowers`: the change takes from groups what the limit in force leaves them. `protected_until`: the ceiling.
    """

    stream: str
    length: int = 0
    keeps: int = 0
    enabled: bool = True
    freed_bytes: int | None = None
    oldest_kept_age: timedelta | None = None
    groups: tuple[GroupLoss, ...] = ()
    protected_until: int | None = None
    held_by: str | None = None
    lowers: bool = False
    problem: str | None = None
    at_most: int | None = 0

    @property
    def needs_consent(self) -> bool:
        return self.lowers and self.at_most != 0

    @property
    def consent(self) -> int:
        """How much a person agrees to lose: what is shown, and a little more, because streams move on meanwhile."""
        return ANY_LOSS if self.at_most is None else self.at_most + max(100, self.at_most // 10)

    def allowed_by(self, accepted_loss: int) -> bool:
        return not self.needs_consent or accepted_loss >= (ANY_LOSS if self.at_most is None else self.at_most)

    @property
    def sentence(self) -> str:
        """“Keeps about 38 min, frees about 5.1 MB, loses nothing unread.”"""
        if self.problem:
            return f"What this loses is unknown: {self.problem}" if self.at_most is None else self.problem
        if not self.enabled:
            return "Keeps everything: the limit is switched off."
        losses = " ".join(filter(None, (group.sentence for group in sorted(self.groups, key=_unknown_last))))
        so_far = "So does the limit in force. " if losses and not self.lowers else ""
        return f"{losses} {so_far}{self._keeping()}.".strip()

    def _keeping(self) -> str:
        gone = self.length - self.keeps
        how_many = f"{self.keeps:,} of {self.length:,} entries" if gone else f"all {self.length:,} entries"
        age = "" if self.oldest_kept_age is None else f"about {span_text(self.oldest_kept_age)}, "
        parts = [f"Keeps {age}{how_many}"]
        if gone and self.freed_bytes is not None:
            parts.append(f"frees about {size_text(self.freed_bytes)}")
        if gone and not self.groups:
            return f"{', '.join(parts)}; no group reads it, and readers without one are not seen"
        if not any(group.at_most for group in self.groups):
            parts.append("loses nothing unread")
        if self.held_by and self.protected_until:
            parts.append(f"and holds the rest for group {self.held_by} until {self.protected_until:,}")
        return ", ".join(parts)


def _unknown_last(group: GroupLoss) -> bool:
    return not group.known


def lowers(old: Limit | None, new: Limit) -> bool:
    """Whether `new` takes from groups what `old` leaves them. None: there was no limit."""
    if old is None or old.stream != new.stream:
        old = replace(new, enabled=False)
    return any(after < before for after, before in zip(_takes_from(new), _takes_from(old), strict=True))


def _takes_from(limit: Limit) -> tuple[float, float, float, float]:
    """What groups lose to: a length, a size, an age, idleness. The smaller, the more; groups see only what is there."""
    if not limit.enabled:
        return inf, inf, inf, inf
    cap = inf if limit.producer_maxlen is None else limit.producer_maxlen
    if limit.protect_groups:
        ignored = limit.ignore_groups_idle_for
        return cap, inf, inf, inf if ignored is None else ignored.total_seconds()
    size = inf if limit.max_bytes is None else limit.max_bytes
    return cap, size, inf if limit.max_age is None else limit.max_age.total_seconds(), inf


def kept(state: StreamState, *, limit: Limit) -> int:
    """How many entries its bounds leave where no group needs more."""
    if not limit.enabled:
        return state.length
    fits = in_entries(limit, state=state).maxlen
    stay = state.length if fits is None else min(state.length, fits)
    cut = minid_of(limit, state)
    return stay if cut is None else min(stay, _entries_from(cut, state))


def stays_anyway(state: StreamState, *, limit: Limit, group: str | None = None, ignored: frozenset[str]) -> int:
    """How many of the newest entries no limit takes from a group. Beyond them, what it needs goes as well."""
    if not limit.protect_groups or group in ignored or limit.hard_maxlen is None:
        return kept(state, limit=limit)
    return state.length if not limit.enabled else min(state.length, limit.hard_maxlen)


def needs_cut(state: StreamState, *, limit: Limit) -> int | None:
    """How many of the newest entries to find the id before, which is not free; None where nobody would ask for it."""
    keep = stays_anyway(state, limit=limit, ignored=frozenset())
    asked = any(group.pending or group.lag is None for group in state.groups)
    return keep if asked and keep < state.length else None


def preview_loss(
    state: StreamState,
    *,
    old: Limit | None,
    new: Limit,
    now: datetime,
    cut: Cut | None = None,
    oldest_pending: Mapping[str, str] | None = None,
    ignored: frozenset[str] = frozenset(),
) -> LossPreview:
    """`cut` None: not looked for, or too far from both ends. `oldest_pending`: group → first id that still exists.

    `ignored`: groups that were idle for so long that `new` does not wait for them.
    """
    groups = tuple(_group_loss(group, state=state, limit=new, cut=cut, ignored=ignored) for group in state.groups)
    keeps, held_by = _keeps(state, new, oldest_pending or {}, ignored)
    return LossPreview(
        stream=new.stream,
        length=state.length,
        keeps=keeps,
        enabled=new.enabled,
        freed_bytes=None if state.bytes is None else state.bytes * (state.length - keeps) // max(1, state.length),
        oldest_kept_age=_age(state, keeps, now),
        groups=groups,
        protected_until=new.hard_maxlen if new.enabled and new.protect_groups else None,
        held_by=held_by,
        lowers=lowers(old, new),
        at_most=sum(group.at_most for group in groups),
    )


def unreadable(*, old: Limit | None, new: Limit, problem: str, is_stream: bool = True) -> LossPreview:
    """The preview where Redis could not be asked, or where the key holds no stream and so no entries."""
    return LossPreview(stream=new.stream, lowers=lowers(old, new), problem=problem, at_most=None if is_stream else 0)


def _group_loss(
    group: GroupState, *, state: StreamState, limit: Limit, cut: Cut | None, ignored: frozenset[str]
) -> GroupLoss:
    beyond = state.length - stays_anyway(state, limit=limit, group=group.name, ignored=ignored)
    if group.name in ignored:
        cut = None  # it was looked for at the ceiling
    if beyond == 0:
        return GroupLoss(name=group.name, undelivered=0, pending=0, pending_or_more=False, at_most=0)
    undelivered: int | None
    if cut and parse_id(group.last_delivered_id) >= parse_id(cut.last_removed):
        undelivered = 0
    elif group.lag is None:
        undelivered = None
    else:
        undelivered = max(0, min(group.lag, state.length) - (state.length - beyond))
    pending = 0 if group.pending == 0 else cut.pending.get(group.name) if cut else None
    or_more = pending is not None and pending >= PENDING_COUNTED
    pending_at_most = group.pending if pending is None or or_more else pending
    at_most = min(beyond, (beyond if undelivered is None else undelivered) + pending_at_most)
    return GroupLoss(
        name=group.name, undelivered=undelivered, pending=pending, pending_or_more=or_more, at_most=at_most
    )


def _keeps(
    state: StreamState, new: Limit, oldest_pending: Mapping[str, str], ignored: frozenset[str]
) -> tuple[int, str | None]:
    """How many entries stay, and for which group more than that. Interpolated, where a group's place is unknown."""
    stay = kept(state, limit=new)
    waited_for = [group for group in state.groups if group.name not in ignored]
    if not new.enabled or not new.protect_groups or new.hard_maxlen is None or not waited_for:
        return stay, None
    needed, holder = max((_needed(group, state, oldest_pending), group.name) for group in waited_for)
    if needed <= stay:
        return stay, None
    return min(needed, new.hard_maxlen, state.length), holder


def _needed(group: GroupState, state: StreamState, oldest_pending: Mapping[str, str]) -> int:
    unread = _entries_from(group.last_delivered_id, state) if group.lag is None else group.lag
    pending = oldest_pending.get(group.name)
    return max(unread, _entries_from(pending, state) if pending else 0)


def _entries_from(entry_id: str, state: StreamState) -> int:
    if state.first_id is None or state.last_id is None:
        return 0
    first, last, here = (_place(parse_id(name)) for name in (state.first_id, state.last_id, entry_id))
    if here <= first or last <= first:
        return state.length if here <= first else 0
    return round(state.length * max(0.0, last - here) / (last - first))


def _place(entry_id: EntryId) -> float:
    return entry_id.ms + min(entry_id.seq, 10**6) / 10**6


def _age(state: StreamState, keeps: int, now: datetime) -> timedelta | None:
    """Of the oldest entry that stays, as if entries had come evenly. None where ids are no times."""
    if state.first_id is None or state.last_id is None or not keeps:
        return None
    first, last, now_ms = parse_id(state.first_id).ms, parse_id(state.last_id).ms, now.timestamp() * 1000
    if first < EARLIEST_MS or last > now_ms + CLOCKS_APART_MS:
        return None
    oldest_kept = first + (last - first) * (state.length - keeps) / state.length
    return timedelta(milliseconds=max(0.0, now_ms - oldest_kept))
