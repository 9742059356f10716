"""Decides whether a stream is trimmed, to what, and in how large bites. Trims nothing."""

from __future__ import annotations

from dataclasses import dataclass

from streams.engine.limits import Limit
from streams.engine.state import StreamState

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
    """Cut `stream` to `maxlen`. `hard_maxlen` is set where groups are protected up to there."""

    stream: str
    length: int  # when this was planned
    maxlen: int
    hard_maxlen: int | None
    approximate: bool
    entries_per_call: int


@dataclass(frozen=True, slots=True)
class Skip:
    reason: str


def plan_trim(state: StreamState, *, limit: Limit, due: bool, held: bool = False) -> Trim | Skip:
    """When its interval is `due` a stream is cut to maxlen; in between it may grow up to its threshold, and no further.

    `held`: the last trim left it above maxlen because a group needs the rest. Between intervals such a stream is left
    alone up to its ceiling: another attempt could only remove what the group read since.
    """
    if not limit.enabled:
        return Skip("its limit is switched off")
    if not state.exists:
        return Skip("there is no such stream")
    may_reach = limit.maxlen if due else limit.trim_threshold
    if held and not due and limit.hard_maxlen is not None:
        may_reach = max(may_reach, limit.hard_maxlen + (NODE_ENTRIES if limit.approximate else 0))
    if state.length <= may_reach:
        return Skip(f"{state.length:,} entries are within the limit")
    return Trim(
        stream=limit.stream,
        length=state.length,
        maxlen=limit.maxlen,
        hard_maxlen=limit.hard_maxlen if limit.protect_groups else None,
        approximate=limit.approximate,
        entries_per_call=entries_per_call(state),
    )


def entries_per_call(state: StreamState) -> int:
    if not state.bytes or not state.length:
        return UNKNOWN_SIZE_ENTRIES_PER_CALL
    return max(NODE_ENTRIES, min(ENTRIES_PER_CALL, BYTES_PER_CALL * state.length // state.bytes))
