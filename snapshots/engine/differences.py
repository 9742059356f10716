"""Writes how a column's cells moved as integers, and moves cells by them. Knows nothing of documents.

{"d": 2, "v": [-14, [null], …]}   new = (round(old·10^d) + v) / 10^d; [cell]: itself
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snapshots.engine import wire
from snapshots.engine.arrays import Doubles, Mask, Rows, doubles_of, integers_of
from snapshots.engine.cells import SAFE, Cell, cell_of_integer, integer_of
from snapshots.engine.column import BIG, INT64, NUMBER, Column
from snapshots.engine.errors import DocumentUnreadable

MAX_DECIMALS = 8
MAX_SCALED = 2**50  # so that old·10^d, rounded to a double, is less than half away from its whole number
SAMPLE = 64


def to_wire(old: Column, *, new: Column) -> wire.Wire:
    """Differences where most cells are exactly decimal, else `new` as a column. No cell of `new` is ABSENT."""
    plain = old.only_numbers and new.only_numbers
    if not plain and (BIG in old.kinds or BIG in new.kinds):
        d, exact, steps = 0, *_whole_steps(old, new)
    else:
        numbers = (old.kinds == NUMBER) & (new.kinds == NUMBER)
        before, after = old.doubles, new.doubles
        sample = slice(0, len(new), max(1, len(new) // SAMPLE))  # raw doubles have no decimals to be looked for
        d, found = _decimals(before[sample], after[sample], numbers[sample], at_least=0)
        if np.count_nonzero(found) * 2 < len(found):
            return wire.to_wire(new)
        d, exact = _decimals(before, after, numbers, at_least=d)
        steps = (_scaled(after, d) - _scaled(before, d))[exact].astype(np.int64)
    if exact.all():
        return {"d": d, "v": steps}
    others = np.flatnonzero(~exact)
    if len(others) * 2 > len(new):
        return wire.to_wire(new)
    v: list[wire.Wire] = [None] * len(new)
    for row, step in zip(np.flatnonzero(exact).tolist(), steps.tolist(), strict=True):
        v[row] = step
    for row, cell in zip(others.tolist(), new.take(others).cells(), strict=True):
        v[row] = [wire.cell_to_wire(cell)]
    return {"d": d, "v": v}


def _scaled(numbers: Doubles, d: int) -> Doubles:
    found: Doubles = np.rint(numbers * 10.0**d)
    return found


def _decimals(old: Doubles, new: Doubles, numbers: Mask, *, at_least: int) -> tuple[int, Mask]:
    """The smallest d at which as many pairs are whole numbers of 10^-d as at any, and which of them are."""
    best, best_d, wanted = np.zeros(len(numbers), dtype=bool), at_least, np.count_nonzero(numbers)
    count: Any = 0
    for d in range(at_least, MAX_DECIMALS + 1):
        exact = numbers & _is_exact(old, d) & _is_exact(new, d)
        if (found := np.count_nonzero(exact)) > count:
            best, best_d, count = exact, d, found
        if count == wanted:
            break
    return best_d, best


def _is_exact(numbers: Doubles, d: int) -> Mask:
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = _scaled(numbers, d)
        found: Mask = (scaled / 10.0**d == numbers) & (np.abs(scaled) < MAX_SCALED)
    return found


def _whole_steps(old: Column, new: Column) -> tuple[Mask, Rows]:
    """Which pairs are of integers that 64 bits hold and that differ by ±SAFE at most; and their differences."""
    exact = _is_whole(old) & _is_whole(new)
    before, after = (np.where(exact, each.doubles, 0).astype(np.int64) for each in (old, new))
    before, after = np.where(old.kinds == BIG, old.bits, before), np.where(new.kinds == BIG, new.bits, after)
    exact &= np.abs(after.astype(float) - before.astype(float)) < SAFE
    return exact, after[exact] - before[exact]


def _is_whole(column: Column) -> Mask:
    numbers = column.doubles
    found: Mask = (numbers == np.rint(numbers)) & (np.abs(numbers) <= SAFE)
    found &= column.kinds == NUMBER
    found |= column.kinds == BIG
    return found


def from_wire(column: wire.Wire, *, old: Column) -> Column:
    """Raises DocumentUnreadable, or TypeError where a difference meets a cell that is no number."""
    if not isinstance(column, dict) or "v" not in column:
        return wire.from_wire(column, size=len(old))
    d, v = column["d"], column["v"]
    if type(d) is not int or not 0 <= d <= MAX_DECIMALS:
        raise DocumentUnreadable(f"differences of {d!r} decimals; there are {MAX_DECIMALS} at most.")
    if len(v) != len(old):
        raise DocumentUnreadable(f"{len(v)} differences for {len(old)} rows.")
    kinds = set(map(type, v))
    if kinds == {int}:
        return _moved(old, v, d)
    if not kinds <= {int, list}:
        raise DocumentUnreadable("differences are whole numbers, or lists of a cell.")
    absolute = [at for at, step in enumerate(v) if type(step) is list]
    moved = [at for at, step in enumerate(v) if type(step) is int]
    found = Column.filled(len(old), NUMBER)
    found = found.replaced(
        np.array(absolute, np.int64), wire.from_wire([v[at][0] for at in absolute], size=len(absolute))
    )
    if not moved:
        return found
    rows = np.array(moved, np.int64)
    return found.replaced(rows, _moved(old.take(rows), [v[at] for at in moved], d))


def _moved(old: Column, v: list[int], d: int) -> Column:
    numbers = old.doubles
    if d == 0:
        whole = old.only_numbers and bool((numbers == np.rint(numbers)).all())
        if not whole or np.abs(found := numbers + doubles_of(v)).max() > SAFE:
            return _moved_whole(old, v)
        return Column.of_bits(found.view(np.int64))
    if not old.only_numbers:
        raise DocumentUnreadable("a difference to a cell that is no number.")
    with np.errstate(over="ignore", invalid="ignore"):
        found = (_scaled(numbers, d) + doubles_of(v)) / 10.0**d
    if not np.isfinite(found).all():
        raise DocumentUnreadable("a number beyond all doubles.")
    return Column.of_bits(found.view(np.int64))  # no −0: x + 0.0 is none


def _moved_whole(old: Column, v: Sequence[int]) -> Column:
    """Integers of any size."""
    if (old.kinds == BIG).all():
        estimate = old.bits.astype(float) + np.array(v, dtype=float)
        if np.abs(estimate).max(initial=0) < INT64 - 2**12:
            return Column.of_integers(old.bits + integers_of(v))
    return Column.of([cell_of_integer(_whole(cell) + step) for step, cell in zip(v, old.cells(), strict=True)])


def _whole(cell: Cell) -> int:
    number = integer_of(cell)
    if number is None:
        raise DocumentUnreadable(f"a whole difference to {cell!r}, which is no whole number.")
    return number
