"""A trim under way: which call comes next, and when it is over. Sends nothing, so that one client or the other may.

One XTRIM never does it: without LIMIT, `~` stops after 10,000 entries and a task that calls it once reports success
with 40,000 left; `=` does it in one call that stops the server for up to a quarter of a second. So: bites, until a bite
removes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from streams.engine.ids import parse_id
from streams.engine.plan import BYTES_PER_CALL, NODE_ENTRIES, Trim
from streams.engine.state import text

SAFE_TRIM = "safe_trim"  # the script of that name
# Of what the server may do at one go, the share that a bite takes whatever it removes, and the share of an entry.
BITE_SHARE, ENTRY_SHARE = 0.025, 0.0001
Call = tuple[str | int, ...]
Stopped = Literal["at its limit", "held by a group", "at its ceiling", "out of time"]


@dataclass(slots=True)
class GroupLost:
    """What a group had not acknowledged and can't read any more. `undelivered` None: unknown."""

    undelivered: int | None = 0
    pending: int = 0

    def add(self, undelivered: int | None, pending: int) -> None:
        self.undelivered = None if undelivered is None or self.undelivered is None else self.undelivered + undelivered
        self.pending += pending


@dataclass
class Trimming:
    """`forced`: of `trimmed`, those that the ceiling took although a group may still have needed them (at most).

    `bytes`: of what is left, as the server estimates it; None before the end.
    `refused`: the server would not trim it, and said so. `unanswered`: a bite was sent; what it did is not known.
    `away`: the node of the cluster that did not answer, empty where no node has the stream.
    """

    trim: Trim
    trimmed: int = 0
    forced: int = 0
    length: int = field(init=False)
    floor: str | None = None
    holder: str | None = None
    losses: dict[str, GroupLost] = field(default_factory=dict)
    done: bool = False
    refused: str = ""
    unanswered: bool = False
    away: str | None = None
    bytes: int | None = None
    duration_us: int = 0  # of the calls, as their sender measured them

    def __post_init__(self) -> None:
        self.length = self.trim.length
        self._exact = False

    @property
    def over(self) -> bool:
        return self.done or bool(self.refused)

    @property
    def held_by(self) -> str | None:
        """The group that keeps the stream above its limit; only after the trim came to its end."""
        slack = NODE_ENTRIES if self.trim.approximate else 0
        too_long = self.length > self.trim.maxlen + slack
        too_old = bool(self.trim.minid and self.floor and parse_id(self.floor) < parse_id(self.trim.minid))
        return self.holder if self.done and (too_long or too_old) else None

    @property
    def stopped(self) -> Stopped:
        if not self.done:
            return "out of time"
        if self.forced:
            return "at its ceiling"
        return "held by a group" if self.held_by else "at its limit"

    def call(self) -> Call:
        """(safe_trim, stream, soft, hard, budget, mode, minid, idle)."""
        trim = self.trim
        idle = trim.ignore_groups_idle_for
        return (
            SAFE_TRIM,
            trim.stream,
            trim.maxlen,
            "" if trim.hard_maxlen is None else trim.hard_maxlen,
            trim.entries_per_call,
            "=" if self._exact else "~",
            trim.minid or "",
            "" if idle is None else int(idle.total_seconds() * 1000),
        )

    def take(self, reply: Any, *, duration_us: int = 0) -> None:
        """What the server answered to `call()`."""
        self.duration_us += duration_us
        self.unanswered = False
        removed, forced, self.length, floor, holder, losses, self.bytes = reply
        removed += forced
        self.floor, self.holder = text(floor) or None, text(holder) or None
        self.trimmed += removed
        self.forced += forced
        for name, undelivered, pending in losses:
            self.losses.setdefault(text(name), GroupLost()).add(undelivered, pending)
        if self._exact:
            self.done = removed == 0 or (self.length <= self.trim.maxlen and not self.trim.minid)
        elif removed == 0 or removed + NODE_ENTRIES <= self.trim.entries_per_call:
            # Whole nodes that may go are gone. An exact limit wants the rest, and so does one whose server was told to
            # make huge nodes.
            self._exact = self.length > self.trim.maxlen + (NODE_ENTRIES if self.trim.approximate else 0)
            self._exact |= bool(self.trim.minid) and not self.trim.approximate
            self.done = not self._exact


def bytes_freed(before: int | None, after: int | None) -> int | None:
    """At least 0: producers add between the two readings."""
    return None if before is None or after is None else max(0, before - after)


def in_lots_of_bites(trimmings: Iterable[Trimming]) -> Iterator[list[Trimming]]:
    """Bites to be sent together: a server works through them at one go, so they take it no longer than a full one."""
    lot: list[Trimming] = []
    shares = 0.0
    for trimming in trimmings:
        share = _share(trimming)
        if lot and shares + share > 1:
            yield lot
            lot, shares = [], 0.0
        lot.append(trimming)
        shares += share
    if lot:
        yield lot


def _share(trimming: Trimming) -> float:
    trim = trimming.trim
    entries = trim.entries_per_call if trim.minid else min(max(0, trimming.length - trim.maxlen), trim.entries_per_call)
    size = (trim.bytes or 0) / max(1, trim.length)
    return BITE_SHARE + entries * max(ENTRY_SHARE, size / BYTES_PER_CALL)
