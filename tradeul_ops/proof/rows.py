"""Rows of the guide's table of results: what was promised, measured before, measured after, and whether it was kept.

Decides by numbers alone, and measures none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tradeul_ops.proof.slope import Slope


class Verdict(StrEnum):
    MET = "met"
    MISSED = "missed"
    SHOWN = "shown"  # nobody promised anything


class Unit(StrEnum):
    BYTES = "bytes"
    BYTES_AN_HOUR = "bytes/h"
    COUNT = "count"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "µs"
    PERCENT = "%"


@dataclass(frozen=True)
class Row:
    """`limit`: `after` may be as much, and no more; None: no promise of this project. None as a value is unknown.

    An error is the standard error of its value. A promise has to hold two of them above.
    """

    what: str
    unit: Unit
    promised: str
    before: float | None
    after: float | None
    limit: float | None = None
    before_error: float | None = None
    after_error: float | None = None

    @property
    def verdict(self) -> Verdict:
        if self.limit is None:
            return Verdict.SHOWN
        if self.after is None:  # what could not be measured was not kept
            return Verdict.MISSED
        return Verdict.MET if self.after + 2 * (self.after_error or 0.0) <= self.limit else Verdict.MISSED

    @property
    def texts(self) -> tuple[str, str]:
        """Before and after, as a person reads them."""
        spelled = SPELLED[self.unit]
        return _with_error(self.before, self.before_error, spelled), _with_error(self.after, self.after_error, spelled)


def of_slopes(what: str, promised: str, before: Slope | None, after: Slope | None, *, share: float | None) -> Row:
    """`share`: how much of the growth before the growth after may be; None: no promise."""
    limit = None if share is None else share * before.per_hour if before and before.per_hour > 0 else 0.0
    return Row(
        what,
        Unit.BYTES_AN_HOUR,
        promised,
        before.per_hour if before else None,
        after.per_hour if after else None,
        limit,
        before.error if before else None,
        after.error if after else None,
    )


def _with_error(value: float | None, error: float | None, spelled: Callable[[float], str]) -> str:
    if value is None:
        return "–"
    return spelled(value) if error is None else f"{spelled(value)} ± {spelled(error)}"


def spell_bytes(value: float) -> str:
    for size, name, digits in ((1e9, "GB", 2), (1e6, "MB", 1), (1e3, "KB", 1)):
        if abs(value) >= size:
            return f"{value / size:,.{digits}f} {name}"
    return f"{value:,.0f} B"


def _seconds(value: float) -> str:
    return f"{value:,.1f} s" if abs(value) >= 10 else f"{value:.2f} s"


SPELLED: dict[Unit, Callable[[float], str]] = {
    Unit.BYTES: spell_bytes,
    Unit.BYTES_AN_HOUR: lambda value: f"{spell_bytes(value)}/h",
    Unit.COUNT: lambda value: f"{value:,.0f}",
    Unit.SECONDS: _seconds,
    Unit.MILLISECONDS: lambda value: f"{value:,.0f} ms",
    Unit.MICROSECONDS: lambda value: f"{value:,.0f} µs",
    Unit.PERCENT: lambda value: f"{value:.2f} %",
}


def markdown(rows: Sequence[Row]) -> str:
    lines = ["| what | promised | before | after | |", "|---|---|---|---|---|"]
    for row in rows:
        verdict = f"**{row.verdict}**" if row.verdict is Verdict.MISSED else "" if row.limit is None else row.verdict
        lines.append(f"| {row.what} | {row.promised} | {row.texts[0]} | {row.texts[1]} | {verdict} |")
    return "\n".join(lines)
