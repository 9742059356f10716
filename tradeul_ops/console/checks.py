"""What a check of the guide's promises is, and a report of them, as values. Makes none; see verify."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils.translation import gettext, ngettext

State = Literal["holds", "fails", "cannot tell"]
WORDS: dict[State, str] = {"holds": "within", "fails": "over", "cannot tell": "unknown"}


@dataclass(frozen=True)
class Check:
    """`command` can be pasted into a shell or, where it is SQL, into psql; `how` says which."""

    name: str
    expected: str
    found: str
    state: State
    command: str
    how: Literal["shell", "SQL"] = "shell"

    @property
    def condition(self) -> str:
        return WORDS[self.state]

    @property
    def short(self) -> str:
        """What the command asks, without where."""
        return "SQL, for psql" if self.how == "SQL" else re.sub(r" -u \S+", "", self.command)


@dataclass(frozen=True)
class Section:
    """One of the guide's headings."""

    title: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Report:
    sections: tuple[Section, ...]
    read_at: datetime

    @property
    def checks(self) -> tuple[Check, ...]:
        return tuple(check for section in self.sections for check in section.checks)

    def number(self, state: State) -> int:
        return sum(check.state == state for check in self.checks)

    @property
    def condition(self) -> str:
        return "over" if self.number("fails") else "within"

    @property
    def sentence(self) -> str:
        untold = self.number("cannot tell")
        told = gettext("{holding} of {all} checks hold").format(holding=self.number("holds"), all=len(self.checks))
        if fails := self.number("fails"):
            first = next(check for check in self.checks if check.state == "fails")
            more = ngettext(", {fails} fails; the first: {first}", ", {fails} fail; the first: {first}", fails)
            told += more.format(fails=fails, first=first.name)
        also = gettext(" {untold} cannot tell on this installation.").format(untold=untold) if untold else ""
        return f"{told}.{also}"
