"""A column of cells as arrays, side by side in memory: what is done to one is done to all its rows at once.

An object a cell would lie all over the memory, and to look at each takes ten times as long. Columns are never changed
once they are made.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from snapshots.engine.arrays import Doubles, Mask, Rows, doubles_of, python_numbers
from snapshots.engine.cells import MISSING, SAFE, Cell, Json, integer_of
from snapshots.engine.checksum import column_digest, utf16

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
        if not nulls.any():
            return cls.of_bits((numbers + 0.0).view(np.int64))  # −0 becomes 0
        return cls(np.where(nulls, 0.0, numbers + 0.0).view(np.int64), nulls.astype(np.uint8))

    @classmethod
    def of_bits(cls, bits: npt.NDArray[np.int64]) -> Column:
        """Of numbers only, none of them −0."""
        column = cls(bits, np.zeros(len(bits), np.uint8))
        column.only_numbers = True
        return column

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

    @cached_property
    def only_numbers(self) -> bool:
        return not self.kinds.any()

    @property
    def is_empty(self) -> bool:
        """No row has the field."""
        return bool((self.kinds == ABSENT).all())

    @property
    def doubles(self) -> Doubles:
        """The numbers, 0 in other rows."""
        if self.only_numbers or not (big := self.kinds == BIG).any():
            return self.bits.view(np.float64)
        return np.where(big, 0, self.bits).view(np.float64)

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
        if self.only_numbers:
            return Column.of_bits(self.bits[rows])
        return Column(self.bits[rows], self.kinds[rows], None if self.texts is None else self.texts[rows])

    def differs(self, other: Column) -> Mask:
        """Of each row of two columns of one length."""
        found: Mask = self.bits != other.bits
        if not (self.only_numbers and other.only_numbers):
            found |= self.kinds != other.kinds
        if self.texts is not None and other.texts is not None:
            found |= self.texts != other.texts
        return found

    def replaced(self, rows: Rows, by: Column) -> Column:
        """Another column: `by` in these rows."""
        bits = self.bits.copy()
        bits[rows] = by.bits
        if self.only_numbers and by.only_numbers:
            return Column.of_bits(bits)
        kinds, texts = self.kinds.copy(), self.texts
        kinds[rows] = by.kinds
        if texts is not None or by.texts is not None:
            texts = np.full(len(self), None, object) if texts is None else texts.copy()
            texts[rows] = by.texts
        new = Column(bits, kinds, texts)
        if by.only_numbers and not self.kinds[rows].any():
            new.__dict__ |= {name: self.__dict__[name] for name in ("_lines", "_text") if name in self.__dict__}
        elif "_lines" in self.__dict__:
            new._lines = self._lines.copy()
            new._lines[rows] = by._lines_of(rows)
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
        return column_digest(numbers, others=b"" if self.only_numbers else self._text)

    @cached_property
    def _text(self) -> bytes:
        return utf16("".join(self._lines.tolist()))

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


def _texts(texts: dict[int, str], size: int) -> npt.NDArray[np.object_] | None:
    if not texts:
        return None
    found = np.full(size, None, object)
    found[list(texts)] = list(texts.values())
    return found
