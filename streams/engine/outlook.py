"""What a trim now would do to one stream, told before it happens: how much can go, and what may hold the rest."""

from __future__ import annotations

from dataclasses import dataclass

from streams.engine.ids import parse_id
from streams.engine.limits import Limit
from streams.engine.loss import kept
from streams.engine.plan import Skip, Trim, plan_trim
from streams.engine.state import GroupState, StreamState


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """`at_most` entries go, `above_ceiling` of them (at most) although one of the `holders` may still need them.

    A holder may keep the stream above its maxlen: it has more unread than that, or pending, or nobody knows.
    """

    stream: str
    length: int
    plan: Trim | Skip
    at_most: int = 0
    above_ceiling: int = 0
    holders: tuple[GroupState, ...] = ()


def outlook_of(state: StreamState, *, limit: Limit) -> Outlook:
    """As if the limit were due now."""
    plan = plan_trim(state, limit=limit, due=True)
    if isinstance(plan, Skip):
        return Outlook(stream=limit.stream, length=state.length, plan=plan)
    at_most, above = state.length - min(plan.maxlen, kept(state, limit=limit)), 0
    holders: tuple[GroupState, ...] = ()
    if plan.hard_maxlen is not None:
        left = state.length - at_most
        holders = tuple(group for group in state.groups if _may_hold(group, maxlen=left))
        above = max(0, state.length - plan.hard_maxlen) if holders else 0
        if any(_needs_all(group, state) for group in state.groups):
            at_most = above
    return Outlook(
        stream=limit.stream, length=state.length, plan=plan, at_most=at_most, above_ceiling=above, holders=holders
    )


def _may_hold(group: GroupState, *, maxlen: int) -> bool:
    return group.pending > 0 or group.lag is None or group.lag > maxlen


def _needs_all(group: GroupState, state: StreamState) -> bool:
    """Certain, where a lag is not: after a trim the server counts entries into it that are gone."""
    return state.first_id is not None and parse_id(group.last_delivered_id) < parse_id(state.first_id)
