"""Says which small moves of a ticker may wait, and reads and writes such rules as text. Compares nothing itself.

A rule a line: a field and how far it may be from its *published* value, as a share (`price 0.1%`) or in the field's own
units (`change_percent 0.5`), or `wait`: whatever it holds. `*` stands for all numbers without a rule of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

# Also a constraint on the row, so PostgreSQL reads it too.
_RULE = r"[^\s,][^\n\r,]{0,199}[ \t]+([0-9]{1,9}([.][0-9]{1,9})?%?|wait)[ \t]*"
RULES_PATTERN = rf"^{_RULE}([\r\n]+{_RULE}){{0,99}}[\r\n]*$"

PRICE_FIELDS = ("price", "current_price")
RVOL_FIELD = "rvol"
OTHERS = "*"


@dataclass(frozen=True)
class Threshold:
    """The published value may be off by `share` of itself and by `points`, whichever is more."""

    share: float = 0.0
    points: float = 0.0
    any_kind: bool = False  # not only numbers wait

    def __str__(self) -> str:
        if self.points == inf:
            return "wait"
        return f"{_number(self.share * 100)}%" if self.share else _number(self.points)


NONE = Threshold()
WAIT = Threshold(points=inf)


@dataclass(frozen=True)
class Thresholds:
    """A ticker whose changes are all within these waits; when one is not, all of its changes are published."""

    fields: Mapping[str, Threshold] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        return not self.fields

    @property
    def profile(self) -> str:
        """For the documents: `exact`, or the rules."""
        return ", ".join(f"{name} {threshold}" for name, threshold in self.fields.items()) or "exact"

    def of(self, name: str) -> Threshold:
        return self.fields.get(name) or self.fields.get(OTHERS, NONE)


EXACT = Thresholds()


def thresholds_of(lines: Iterable[str]) -> Thresholds:
    """Raises ValueError, naming the line. Of two rules for one field the later counts."""
    fields: dict[str, Threshold] = {}
    for line in lines:
        if not line.strip():
            continue
        if re.fullmatch(_RULE, line) is None:
            raise ValueError(f"{line!r} is no rule as `price 0.1%`, `change_percent 0.5` or `updated wait`.")
        name, amount = line.strip().rsplit(maxsplit=1)
        if amount == "wait":
            fields[name] = replace(WAIT, any_kind=name != OTHERS)
        elif amount.endswith("%"):
            fields[name] = Threshold(share=float(amount[:-1]) / 100)
        else:
            fields[name] = Threshold(points=float(amount))
    return Thresholds(fields)


def guide(price: float | None = 0.001, rvol: float | None = 0.05) -> Thresholds:
    """The integration guide's rules: `price` and `rvol` as fractions, None for any change."""
    fields = {name: Threshold(share=price or 0.0) for name in PRICE_FIELDS}
    fields[RVOL_FIELD] = Threshold(share=rvol or 0.0)
    fields |= thresholds_of(["score 0", "volume_today 10%", "change_percent 0.5", "timestamp wait", "* wait"]).fields
    return Thresholds(fields)


GUIDE = guide()


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
