"""A column of cells as arrays, side by side in memory: what is done to one is done to all its rows at once.

An object a cell would lie all over the memory, and to look at each takes ten times as long. Columns are never changed
once they are made.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from snapshots.engine.cells import MISSING, SAFE, Cell, Json, integer_of
from snapshots.engine.checksum import column_digest

Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Doubles: TypeAlias = npt.NDArray[np.float64]

# Kinds of cells. BIG is an integer beyond ±SAFE that 64 bits hold; JSON is everything that `Json` is, but these two.
NUMBER, NULL, ABSENT, BIG, TEXT, JSON = range(6)
INT64 = 2**63


class Column:
    """`kinds`: of each cell. `bits`: those of a NUMBER's double, or the integer of a BIG; 0 in other rows.

    `texts`: the string of a TEXT and the canonical text of a JSON cell, None in other rows; None if there are neither.
    Each cell is said in one way only, so columns are equal where all three are.
    """

    def __init__(
        self, bits: npt.NDArray[np.int64], kinds: npt.NDArray[np.uint8], texts: npt.NDArray[np.object_] | None = None
    ) -> None:
        self.bits, self.kinds, self.texts = bits, kinds, texts

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Column:
        try:
            return cls.of_doubles(doubles_of(cells))
        except TypeError:  # there are others than numbers
            pass
        numbers, kinds = array("d", bytes(8 * len(cells))), bytearray(len(cells))
        big: dict[int, int] = {}
        texts: dict[int, str] = {}
        for row, cell in enumerate(cells):
            if cell is None:
                kinds[row] = NULL
            elif isinstance(cell, str):
                kinds[row], texts[row] = TEXT, cell
            elif not isinstance(cell, Json):
                numbers[row] = cell + 0.0
            elif cell == MISSING:
                kinds[row] = ABSENT
            elif (whole := integer_of(cell)) is not None and -INT64 <= whole < INT64:
                kinds[row], big[row] = BIG, whole
            else:
                kinds[row], texts[row] = JSON, cell.text
        bits = np.array(numbers).view(np.int64)
        bits[list(big)] = list(big.values())
        return cls(bits, np.frombuffer(kinds, np.uint8), _texts(texts, len(cells)))

    @classmethod
    def of_doubles(cls, numbers: Doubles) -> Column:
        """None of them infinite; NaN stands for null."""
        nulls = np.isnan(numbers)
        return cls(np.where(nulls, 0.0, numbers + 0.0).view(np.int64), nulls.astype(np.uint8))  # −0 becomes 0

    @classmethod
    def of_strings(cls, strings: list[str | None]) -> Column:
        """None stands for null."""
        texts = np.fromiter(strings, object, len(strings))
        kinds = np.where(texts == None, NULL, TEXT)  # noqa: E711
        return cls(np.zeros(len(strings), np.int64), kinds.astype(np.uint8), texts)

    @classmethod
    def of_integers(cls, whole: npt.NDArray[np.int64]) -> Column:
        big = (whole > SAFE) | (whole < -SAFE)
        numbers = whole.astype(float).view(np.int64)
        return cls(np.where(big, whole, numbers), np.where(big, BIG, NUMBER).astype(np.uint8))

    @classmethod
    def filled(cls, size: int, kind: int) -> Column:
        """Cells of NULL, ABSENT, or the NUMBER 0."""
        return cls(np.zeros(size, np.int64), np.full(size, kind, np.uint8))

    def __len__(self) -> int:
        return len(self.kinds)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Column):
            return NotImplemented
        return len(self) == len(other) and not self.differs(other).any()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Column({self.cells()!r})"

    @property
    def only_numbers(self) -> bool:
        return not self.kinds.any()

    @property
    def is_empty(self) -> bool:
        """No row has the field."""
        return bool((self.kinds == ABSENT).all())

    @property
    def doubles(self) -> Doubles:
        """The numbers, 0 in other rows."""
        bits = np.where(self.kinds == BIG, 0, self.bits) if (self.kinds == BIG).any() else self.bits
        return bits.view(np.float64)

    @property
    def estimates(self) -> Doubles:
        """The numbers, also those that a double only comes near; NaN in other rows."""
        found = np.where(self.kinds == NUMBER, self.doubles, np.nan)
        return np.where(self.kinds == BIG, self.bits.astype(float), found)

    def cells(self) -> list[Cell]:
        found: list[Cell] = python_numbers(self.doubles)
        kinds = self.kinds
        for row in np.flatnonzero(kinds == NULL).tolist():
            found[row] = None
        for row in np.flatnonzero(kinds == ABSENT).tolist():
            found[row] = MISSING
        for row in np.flatnonzero(kinds == BIG).tolist():
            found[row] = Json(str(self.bits[row]))
        if self.texts is not None:
            for row in np.flatnonzero(kinds == TEXT).tolist():
                found[row] = self.texts[row]
            for row in np.flatnonzero(kinds == JSON).tolist():
                found[row] = Json(self.texts[row])
        return found

    def take(self, rows: Rows) -> Column:
        return Column(self.bits[rows], self.kinds[rows], None if self.texts is None else self.texts[rows])

    def differs(self, other: Column) -> Mask:
        """Of each row of two columns of one length."""
        found: Mask = (self.bits != other.bits) | (self.kinds != other.kinds)
        if self.texts is not None and other.texts is not None:
            found |= self.texts != other.texts
        return found

    def replaced(self, rows: Rows, by: Column) -> Column:
        """Another column: `by` in these rows."""
        bits, kinds, texts = self.bits.copy(), self.kinds.copy(), self.texts
        bits[rows], kinds[rows] = by.bits, by.kinds
        if texts is not None or by.texts is not None:
            texts = np.full(len(self), None, object) if texts is None else texts.copy()
            texts[rows] = by.texts
        new = Column(bits, kinds, texts)
        if "_lines" in self.__dict__ and not new.only_numbers:
            lines = self._lines.copy()
            lines[rows] = by._lines_of(rows)
            new.__dict__["_lines"] = lines
        return new

    def joined(self, *others: Column) -> Column:
        columns = (self, *others)
        texts: Any = None
        if any(column.texts is not None for column in columns):
            parts = [np.full(len(each), None, object) if each.texts is None else each.texts for each in columns]
            texts = np.concatenate(parts)
        return Column(
            np.concatenate([column.bits for column in columns]),
            np.concatenate([column.kinds for column in columns]),
            texts,
        )

    @cached_property
    def digest(self) -> int:
        """For the checksum, which checksum.py defines."""
        numbers = self.doubles.astype("<f8", copy=False).data
        return column_digest(numbers, others=() if self.only_numbers else self._lines.tolist())

    @cached_property
    def _lines(self) -> npt.NDArray[np.object_]:
        """The line of each cell that is no number, "" for a number. Kept, as most stay the same from tick to tick."""
        return self._lines_of(np.arange(len(self)))

    def _lines_of(self, rows: Rows) -> npt.NDArray[np.object_]:
        """Of all cells; `rows`: which numbers they have in the lines."""
        lines = np.full(len(self), "", object)
        for kind, mark in ((NULL, "n"), (ABSENT, "j"), (BIG, "j"), (TEXT, "s"), (JSON, "j")):
            ats = np.flatnonzero(self.kinds == kind)
            if not len(ats):
                continue
            numbers = rows[ats].tolist()
            if kind in (NULL, ABSENT):
                lines[ats] = [f"{row}{mark}\n" for row in numbers]
            else:
                said = self.bits[ats] if kind == BIG or self.texts is None else self.texts[ats]
                lines[ats] = [f"{row}{mark}{text}\n" for row, text in zip(numbers, said.tolist(), strict=True)]
        return lines


def doubles_of(numbers: Sequence[Any]) -> Doubles:
    """Raises TypeError for what is no number, OverflowError for an integer beyond all doubles."""
    return np.frombuffer(_packed(numbers, "d"), np.float64)


def integers_of(numbers: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Raises TypeError for what is no integer of 64 bits."""
    return np.frombuffer(_packed(numbers, "q"), np.int64)


def _packed(numbers: Sequence[Any], code: str) -> bytes:
    """As `array` does it, in a quarter of the time."""
    try:
        return struct.pack(f"{len(numbers)}{code}", *numbers)
    except struct.error as error:
        raise TypeError(str(error)) from None


def _texts(texts: dict[int, str], size: int) -> npt.NDArray[np.object_] | None:
    if not texts:
        return None
    found = np.full(size, None, object)
    found[list(texts)] = list(texts.values())
    return found


def python_numbers(doubles: Doubles) -> list[Any]:
    """Whole ones up to ±SAFE as int."""
    whole = (doubles == np.rint(doubles)) & (np.abs(doubles) <= SAFE)
    found: list[Any] = (doubles.astype(np.int64) if whole.all() else doubles).tolist()
    if whole.all():
        return found
    for at in np.flatnonzero(whole).tolist():
        found[at] = int(found[at])
    return found
