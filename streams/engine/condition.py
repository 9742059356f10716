"""The word for how a stream stands against its limit, and the sentence that says why. Colours none of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from streams.engine.limits import Limit
from streams.engine.plan import NODE_ENTRIES, age_problem, in_entries
from streams.engine.state import StreamState
from streams.engine.words import span_text

# Past its threshold a stream waits five seconds at most for the next sweep. Without a ceiling, this many times the
# threshold is more than that explains.
FAR = 2

SWEEPS = timedelta(seconds=30)  # a few may be missing

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
    limit = in_entries(limit, state=state)
    if limit.maxlen is None:
        return _by_age(state, limit=limit, held_by=held_by, enforced=enforced)
    length, above = state.length, state.length - limit.maxlen
    slack = NODE_ENTRIES if limit.approximate else 0
    if above <= 0:
        return Condition("within", f"{length:,} of {limit.maxlen:,} entries.")
    if above <= slack:
        return Condition("within", f"{length:,} entries, less than one node above {limit.maxlen:,}.")
    if not limit.enabled:
        return Condition("over", f"{above:,} entries above maxlen, and the limit is switched off.")
    ceiling = limit.hard_maxlen if limit.protect_groups and limit.hard_maxlen else FAR * limit.starts_at
    if length > ceiling + slack:
        return Condition("over", f"{length:,} entries of {limit.maxlen:,}, above even {ceiling:,}.")
    if limit.protect_groups and held_by and length >= ceiling:
        return Condition(  # bounded, but what is lost now nobody brings back
            "over",
            f"Group {held_by} loses entries it has not read: at the ceiling of {ceiling:,} the oldest go, "
            f"and {above:,} above maxlen are kept for it.",
        )
    if limit.protect_groups and held_by:
        return Condition(
            "attention",
            f"Group {held_by} still needs the oldest entries: {above:,} above maxlen are kept for it, "
            f"until {ceiling:,}.",
        )
    if length <= limit.starts_at:
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


def _by_age(state: StreamState, *, limit: Limit, held_by: str | None, enforced: bool) -> Condition:
    """Bounded by max_age alone, or by max_bytes of entries whose size nobody knows."""
    age, length = state.oldest_age, state.length
    if problem := age_problem(limit, state):
        return Condition("attention", problem)
    if limit.max_age is None or age is None:
        return Condition("within", f"{length:,} entries.")
    told = f"{length:,} entries, the oldest {span_text(age)} old; those older than {span_text(limit.max_age)} go"
    if age <= limit.max_age + 2 * limit.trim_interval + SWEEPS:
        return Condition("within", f"{told}.")
    if not limit.enabled:
        return Condition("over", f"{told}, if the limit were not switched off.")
    if held_by:
        return Condition(
            "attention", f"{told}, but group {held_by} still needs them, until {limit.hard_maxlen or 0:,}."
        )
    if not enforced:
        return Condition("over", f"{told}, and no sweep has run for a while.")
    # An approximate trim removes whole nodes: the one with the cut in it stays, however old its first entry is.
    if limit.approximate:
        return Condition("within", f"{told}, a whole node at a time.")
    return Condition("attention", f"{told}, but the last trim did not reach them.")
