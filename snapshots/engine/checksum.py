"""Sums up a whole state, from bytes that Python and JavaScript make alike. Detects faults, not forgers.

column   = CRC-32 of its numbers as little-endian doubles, one a row (0 for a cell that is no number), continued
           with the UTF-16LE text of the other cells, each `row kind text newline`: n null, s string, j canonical JSON
symbols  = CRC-32 of the UTF-16LE text of all rows, each `+symbol newline`, a removed row `- newline`
checksum = symbols + Σ CRC-32(UTF-16LE of `name newline column-in-8-hex-digits`), modulo 2³², as 8 hex digits
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from math import nan
from typing import TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt

from snapshots.engine.cells import Cell, Json

Numbers: TypeAlias = npt.NDArray[np.float64]


def numbers_of(cells: Sequence[Cell]) -> Numbers:
    """The column as doubles, NaN where the cell is no number. (No cell is NaN: the source is refused then.)"""
    try:
        return np.frombuffer(array("d", cells))  # type: ignore[type-var]  # TypeError at a cell that is no number
    except TypeError:
        return np.array([cell if type(cell) is int or type(cell) is float else nan for cell in cells])


def column_digest(cells: Sequence[Cell], *, numbers: Numbers) -> int:
    """`numbers`: what `numbers_of` says."""
    others = np.flatnonzero(np.isnan(numbers)).tolist()
    if others:
        numbers = np.nan_to_num(numbers)
    digest = crc32(numbers.astype("<f8", copy=False).data)
    return crc32(_utf16("".join([_other(row, cells[row]) for row in others])), digest) if others else digest


def _other(row: int, cell: Cell) -> str:
    if cell is None:
        return f"{row}n\n"
    return f"{row}j{cell.text}\n" if isinstance(cell, Json) else f"{row}s{cell}\n"


def checksum(symbols: Iterable[str | None], *, digests: Mapping[str, int]) -> str:
    total = crc32(_utf16("".join(["-\n" if symbol is None else f"+{symbol}\n" for symbol in symbols])))
    for name, digest in digests.items():
        total += crc32(_utf16(f"{name}\n{digest:08x}"))
    return f"{total & 0xFFFFFFFF:08x}"


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")
