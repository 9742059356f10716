"""A trim under way: which call comes next, and when it is over. Sends nothing, so that one client or the other may.

One XTRIM never does it: without LIMIT, `~` stops after 10,000 entries and a task that calls it once reports success
with 40,000 left; `=` does it in one call that stops the server for up to a quarter of a second. So: bites, until a bite
removes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streams.engine.plan import NODE_ENTRIES, Trim
from streams.engine.state import text

SAFE_TRIM = "safe_trim"  # the script of that name; every other call is a command as it stands
Call = tuple[str | int, ...]


@dataclass
class Trimming:
    """`forced`: of `trimmed`, those that the ceiling took although a group may still have needed them (at most)."""

    trim: Trim
    trimmed: int = 0
    forced: int = 0
    length: int = field(init=False)
    floor: str | None = None
    holder: str | None = None
    done: bool = False
    duration_us: int = 0  # of the calls, as their sender measured them

    def __post_init__(self) -> None:
        self.length = self.trim.length
        self._exact = False

    @property
    def held_by(self) -> str | None:
        """The group that keeps the stream above its maxlen; only after the trim came to its end."""
        slack = NODE_ENTRIES if self.trim.approximate else 0
        return self.holder if self.done and self.length > self.trim.maxlen + slack else None

    def call(self) -> Call:
        """(safe_trim, stream, soft, hard, budget, mode), or an XTRIM."""
        trim = self.trim
        if trim.hard_maxlen is not None:
            mode = "=" if self._exact else "~"
            return (SAFE_TRIM, trim.stream, trim.maxlen, trim.hard_maxlen, trim.entries_per_call, mode)
        if self._exact:
            return ("XTRIM", trim.stream, "MAXLEN", "=", trim.maxlen)
        return ("XTRIM", trim.stream, "MAXLEN", "~", trim.maxlen, "LIMIT", trim.entries_per_call)

    def take(self, reply: Any, *, duration_us: int = 0) -> None:
        """What the server answered to `call()`."""
        self.duration_us += duration_us
        if self.trim.hard_maxlen is None:
            removed, forced = int(reply), 0
            self.length -= removed
        else:
            removed, forced, self.length, floor, holder = reply
            removed += forced
            self.floor, self.holder = text(floor) or None, text(holder) or None
        self.trimmed += removed
        self.forced += forced
        if removed == 0:
            self._finish_or_go_exact()

    def _finish_or_go_exact(self) -> None:
        """Whole nodes are gone. An exact limit wants the rest; so does one whose server was told to make huge nodes."""
        above = self.length - self.trim.maxlen
        if self._exact or above <= 0 or (self.trim.approximate and above <= NODE_ENTRIES):
            self.done = True
        else:
            self._exact = True
