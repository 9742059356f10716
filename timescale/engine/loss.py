"""What a shortened bound takes, as a value and a sentence, and whether a person has agreed to it. Reads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from timescale.engine.amounts import spell_bytes
from timescale.engine.durations import spell


@dataclass(frozen=True)
class DropPreview:
    """What goes when `relation` keeps `after` (None: everything), and which aggregates lose what they never read.

    `chunks` None: it is no hypertable, rows go one by one. `problem`: why nobody can say.
    """

    relation: str
    before: timedelta | None
    after: timedelta
    chunks: int | None
    rows: int | None
    more_rows: bool
    bytes: int | None
    starved: tuple[str, ...]
    until: datetime | None  # when it begins; None: at once
    problem: str = ""

    @property
    def drops(self) -> bool:
        return bool(self.problem or self.chunks or self.rows)

    @property
    def needs_consent(self) -> bool:
        return self.drops or bool(self.starved)

    @property
    def consent(self) -> str:
        """What a form sends back: the bound and how much it took when it was shown."""
        size = "?" if self.problem else str(self.chunks if self.chunks is not None else self.rows)
        return f"{int(self.after.total_seconds())}:{size}"

    def allowed_by(self, consent: str) -> bool:
        """A chunk more than was shown is time passing; two are something else. Rows of a plain table: a tenth more."""
        if not self.needs_consent:
            return True
        bound, _, shown = consent.partition(":")
        if bound != str(int(self.after.total_seconds())):
            return False
        if self.problem or not shown.isdecimal():
            return shown == "?" and bool(self.problem)
        if self.chunks is not None:
            return self.chunks <= int(shown) + 1
        return (self.rows or 0) <= int(shown) * 1.1 + 1000

    @property
    def sentence(self) -> str:
        if self.problem:
            return f"What this drops can't be said: {self.problem}"
        was = f", now {spell(self.before)}" if self.before is not None else ", now everything"
        if not self.drops:
            return f"{self.relation} keeps {spell(self.after)}{was}. Nothing is older: nothing goes."
        size = f" ({spell_bytes(self.bytes)})" if self.bytes is not None else ""
        rows = (
            "an unknown number of rows"
            if self.rows is None
            else f"{'more than' if self.more_rows else 'about'} {self.rows:,} rows"
        )
        what = f"{self.chunks:,} {'chunk' if self.chunks == 1 else 'chunks'} with {rows}" if self.chunks else rows
        return f"{self.relation} keeps {spell(self.after)}{was}. This drops {what}{size}, for good."


def starved_by(view: str, *, source: str, watermark: datetime | None, cutoff: datetime, continuous: bool) -> str | None:
    """What the aggregate loses when its source loses what lies before the cutoff; None where it has read all that."""
    if not continuous:
        return f"{view} is a plain view: it shows no more than what {source} holds."
    if watermark is None:
        return f"{view} has never been refreshed: it will not have what goes."
    if watermark < cutoff:
        return f"{view} is refreshed up to {watermark:%Y-%m-%d %H:%M} UTC only: it will not have what goes after that."
    return None
