"""A chunk, its form, and where it lies on the strip that a page draws. Draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Form = Literal["row", "column", "partial"]
STRIP = 1000.0  # units that the strip is wide
# A form is a height too, so that the strip can be read without colour.
HEIGHTS: dict[Form, float] = {"row": 32, "partial": 22, "column": 12}


@dataclass(frozen=True)
class Chunk:
    name: str  # with its schema, quoted
    range_start: datetime | None
    range_end: datetime | None
    compressed: bool
    late_rows: bool  # came after it was compressed
    bytes: int | None
    rows_estimate: int | None

    @property
    def form(self) -> Form:
        if not self.compressed:
            return "row"
        return "partial" if self.late_rows else "column"

    @property
    def label(self) -> str:
        return self.name.rpartition(".")[2].strip('"')


@dataclass(frozen=True)
class Bar:
    chunk: Chunk
    x: float
    width: float
    height: float
    past: bool  # lies wholly before what is kept

    @property
    def y(self) -> float:
        return HEIGHTS["row"] - self.height


def strip_of(chunks: Sequence[Chunk], *, cutoff: datetime | None) -> tuple[Bar, ...]:
    """Oldest to newest, all of one width: time is in the table beside it, and a gap would look like a chunk."""
    if not chunks:
        return ()
    step = STRIP / len(chunks)
    return tuple(
        Bar(
            chunk,
            x=round(place * step, 2),
            width=round(max(step - min(step * 0.15, 2), 0.4), 2),
            height=HEIGHTS[chunk.form],
            past=cutoff is not None and chunk.range_end is not None and chunk.range_end <= cutoff,
        )
        for place, chunk in enumerate(chunks)
    )
