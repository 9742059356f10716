"""The word for how a stream stands against its limit, and the sentence that says why. Colours none of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streams.engine.limits import Limit
from streams.engine.plan import NODE_ENTRIES
from streams.engine.state import StreamState

# Past its threshold a stream waits five seconds at most for the next sweep. Without a ceiling, this many times the
# threshold is more than that explains.
FAR = 2

Word = Literal["within", "attention", "over", "unknown"]


@dataclass(frozen=True, slots=True)
class Condition:
    word: Word
    why: str


def condition_of(
    state: StreamState | None,
    *,
    limit: Limit,
    held_by: str | None = None,
    enforced: bool = True,
    ended_above: bool = False,
) -> Condition:
    """`state` None: it could not be read. `held_by`: the group that kept the last trim from reaching maxlen.

    `enforced`: beat's sweeps run. `ended_above`: the last trim failed or left more than the threshold, without a group
    to blame. An approximate trim ends less than one node above maxlen, and so does a producer's XADD: that is within.
    """
    if state is None:
        return Condition("unknown", f"The length of {limit.stream} could not be read.")
    if not state.exists:
        return Condition("within", "There is no such stream yet.")
    length, above = state.length, state.length - limit.maxlen
    slack = NODE_ENTRIES if limit.approximate else 0
    if above <= 0:
        return Condition("within", f"{length:,} of {limit.maxlen:,} entries.")
    if above <= slack:
        return Condition("within", f"{length:,} entries, less than one node above {limit.maxlen:,}.")
    if not limit.enabled:
        return Condition("over", f"{above:,} entries above maxlen, and the limit is switched off.")
    ceiling = limit.hard_maxlen if limit.protect_groups and limit.hard_maxlen else FAR * limit.trim_threshold
    if length > ceiling + slack:
        return Condition("over", f"{length:,} entries of {limit.maxlen:,}, above even {ceiling:,}.")
    if limit.protect_groups and held_by and length >= ceiling:
        return Condition(
            "attention",
            f"Group {held_by} loses entries it has not read: at the ceiling of {ceiling:,} the oldest go, "
            f"and {above:,} above maxlen are kept for it.",
        )
    if limit.protect_groups and held_by:
        return Condition(
            "attention",
            f"Group {held_by} still needs the oldest entries: {above:,} above maxlen are kept for it, "
            f"until {ceiling:,}.",
        )
    if length <= limit.trim_threshold:
        seconds = limit.trim_interval.total_seconds()
        return Condition(
            "within", f"{length:,} entries, within its threshold; cut to {limit.maxlen:,} every {seconds:g} s."
        )
    if not enforced:
        return Condition("over", f"{above:,} entries above maxlen, and no sweep has run for a while.")
    if ended_above:
        return Condition(
            "over", f"{above:,} entries above maxlen: the last trim failed, or entries come faster than it cuts."
        )
    return Condition("within", f"{length:,} entries, past its threshold; the next sweep cuts it to {limit.maxlen:,}.")
