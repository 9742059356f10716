"""Decides whether a stream is trimmed, to what, and in how large bites. Trims nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from streams.engine.limits import LARGEST, Limit
from streams.engine.state import StreamState
from streams.engine.words import size_text, span_text

# One call frees at most this much, and so keeps other clients waiting for about a millisecond (measured up to
# 12 KB an entry: 0.8 ms; the server frees what XTRIM removes at once, never later).
BYTES_PER_CALL = 4 * 1024 * 1024
ENTRIES_PER_CALL = 1000
# A node of a stream holds up to 100 entries (stream-node-max-entries), and `~` removes whole nodes only: with a smaller
# bite it would remove nothing, for ever.
NODE_ENTRIES = 100
UNKNOWN_SIZE_ENTRIES_PER_CALL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """Cut `stream` to `maxlen` entries and to ids from `minid` on. `hard_maxlen` is set where groups are protected."""

    stream: str
    length: int  # when this was planned
    maxlen: int
    minid: str | None = None
    hard_maxlen: int | None
    ignore_groups_idle_for: timedelta | None = None
    approximate: bool
    entries_per_call: int
    bytes: int | None = None  # then, as the server estimated it


@dataclass(frozen=True, slots=True)
class Skip:
    reason: str


def plan_trim(state: StreamState, *, limit: Limit, due: bool, held: bool = False) -> Trim | Skip:
    """When its interval is `due` a stream is cut to its limit; in between it may grow up to its threshold, no further.

    `held`: the last trim left it above maxlen because a group needs the rest. Between intervals such a stream is left
    alone up to its ceiling: another attempt could only remove what the group read since.
    """
    if not limit.enabled:
        return Skip("its limit is switched off")
    if not state.exists:
        return Skip("there is no such stream")
    limit = in_entries(limit, state=state)
    may_reach = _may_reach(limit, due=due, held=held)
    minid = minid_of(limit, state) if due else None
    if state.length <= may_reach and minid is None:
        return Skip(f"{state.length:,} entries are within the limit")
    return Trim(
        stream=state.stream,
        length=state.length,
        maxlen=limit.hard_maxlen or LARGEST if limit.maxlen is None else limit.maxlen,
        minid=minid,
        hard_maxlen=limit.hard_maxlen if limit.protect_groups else None,
        ignore_groups_idle_for=limit.ignore_groups_idle_for if limit.protect_groups else None,
        approximate=limit.approximate,
        entries_per_call=entries_per_call(state),
        bytes=state.bytes,
    )


def to_read(limit: Limit, *, length: int, due: bool, held: bool) -> Literal["nothing", "bytes", "state"]:
    """What plan_trim needs to know of a stream of that length: most are left alone for their length already."""
    if not limit.enabled or length == 0:
        return "nothing"
    if limit.max_bytes is not None or (due and limit.max_age is not None):
        return "state"
    return "nothing" if length <= _may_reach(limit, due=due, held=held) else "bytes"


def lets_go(limit: Limit, *, length: int, due: bool) -> bool:
    """Whether a stream that is not trimmed now is held by nobody any more. `limit` in entries; see in_entries."""
    return due if limit.maxlen is None else length <= limit.maxlen


def _may_reach(limit: Limit, *, due: bool, held: bool) -> int:
    maxlen = LARGEST if limit.maxlen is None else limit.maxlen
    may_reach = maxlen if due else limit.starts_at
    if limit.hard_maxlen is not None:
        slack = NODE_ENTRIES if limit.approximate else 0
        if held and not due:
            may_reach = max(may_reach, limit.hard_maxlen + slack)
        elif limit.maxlen is None:
            may_reach = limit.hard_maxlen + slack
    return may_reach


def may_lose(trim: Trim) -> str:
    """Why it may take what a group needs, if there is one; empty where it can't."""
    if trim.hard_maxlen is None:
        return ""
    if (above := trim.length - trim.hard_maxlen) > 0:
        return f"{above:,} of its {trim.length:,} entries are above its ceiling"
    if trim.ignore_groups_idle_for is not None:
        return f"groups whose consumers were idle for {span_text(trim.ignore_groups_idle_for)} are not waited for"
    return ""


def in_entries(limit: Limit, *, state: StreamState) -> Limit:
    """`limit` with its max_bytes turned into entries, where that is fewer than its maxlen; as it is where unknown.

    Between such a cut and the next the stream may grow by a fifth, as the guide's own thresholds allow.
    """
    if limit.max_bytes is None:
        return limit
    fits = entries_that_fit(limit, state=state)
    if fits is None or (limit.maxlen is not None and limit.maxlen <= fits):
        return limit
    threshold = min(fits + fits // 5, limit.trim_threshold or LARGEST, limit.hard_maxlen or LARGEST)
    return replace(limit, maxlen=min(fits, threshold), trim_threshold=threshold)


def entries_that_fit(limit: Limit, *, state: StreamState) -> int | None:
    """At least 1. None: no max_bytes, or nobody knows how large an entry is."""
    size = entry_bytes(state)
    return None if limit.max_bytes is None or size is None else max(1, int(limit.max_bytes / size))


def entry_bytes(state: StreamState) -> float | None:
    """Of the newest, where they were asked for: what the stream will soon consist of. Else the mean.

    The mean counts what groups have pending as well, up to 550 B an id on Redis 6.2 and 7: a limit that went by it
    would shrink with every cut.
    """
    if state.newest_entry_bytes is not None:
        return state.newest_entry_bytes
    return state.bytes / state.length if state.bytes and state.length else None


def arithmetic(limit: Limit, *, state: StreamState) -> str | None:
    """“max_bytes 10.0 MB ÷ 12.1 KB an entry (the newest) = 826 entries.” None without max_bytes."""
    if limit.max_bytes is None:
        return None
    size, fits = entry_bytes(state), entries_that_fit(limit, state=state)
    if size is None or fits is None:
        return f"max_bytes {size_text(limit.max_bytes)}: how large an entry is can't be said yet."
    by = "on average" if state.newest_entry_bytes is None else "the newest"
    return f"max_bytes {size_text(limit.max_bytes)} ÷ {size_text(size)} an entry ({by}) = {fits:,} entries."


def minid_of(limit: Limit, state: StreamState) -> str | None:
    """The first id young enough, where an older one is there. None also where ids are no times: see oldest_age."""
    if limit.max_age is None or state.server_ms is None:
        return None
    age = state.oldest_age
    if age is None or age <= limit.max_age:
        return None
    return f"{state.server_ms - int(limit.max_age.total_seconds() * 1000)}-0"


def age_problem(limit: Limit, state: StreamState) -> str | None:
    """Why max_age can't act on this stream; None where it can."""
    if limit.max_age is None or not state.length or state.oldest_age is not None:
        return None
    return f"max_age {span_text(limit.max_age)} can't act: the ids of this stream are no times."


def entries_per_call(state: StreamState) -> int:
    if not state.bytes or not state.length:
        return UNKNOWN_SIZE_ENTRIES_PER_CALL
    return max(NODE_ENTRIES, min(ENTRIES_PER_CALL, BYTES_PER_CALL * state.length // state.bytes))
