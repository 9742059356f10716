"""Writes columns of cells as JSON and reads them back. Knows nothing of documents.

plain        [cell, …]                            a cell: null, true, 7, "text", [list], or {"value":…, "big":[path, …]}
integers     {"big": ["1755000000000000001", …]}  each a whole number of any size, or null
sparse       {"rows": [gap, …], "values": column} the other rows have no such field
differences  {"d": 2, "v": [-14, [null], …]}      in deltas: new = (round(old·10^d) + v) / 10^d; [cell]: itself
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import add, sub
from typing import Any, TypeAlias

import numpy as np

from snapshots.engine.cells import (
    EMPTY_OBJECT,
    FALSE,
    MISSING,
    SAFE,
    TRUE,
    Cell,
    Json,
    canonical,
    cell_of_integer,
    integer_of,
    thaw,
)
from snapshots.engine.errors import DocumentUnreadable

Wire: TypeAlias = Any  # what json.dumps takes and json.loads gives

MAX_DECIMALS = 8
MAX_SCALED = 2**50  # so that old·10^d, rounded to a double, is less than half away from its whole number
SAMPLE = 16
_PLAIN = {int, float, str, type(None)}


def gaps(rows: Sequence[int]) -> list[int]:
    """Ascending rows as the first one and the steps from each to the next: small numbers compress."""
    return [row - before for before, row in zip([0, *rows], rows, strict=False)]


def rows_of(steps: Sequence[int]) -> list[int]:
    """Raises DocumentUnreadable for rows that do not ascend, and TypeError for what is no whole number."""
    if steps and (steps[0] < 0 or min(steps[1:], default=1) < 1):
        raise DocumentUnreadable("rows that do not ascend.")
    return list(accumulate(steps))


def to_wire(cells: Sequence[Cell]) -> Wire:
    if Json not in set(map(type, cells)):
        return list(cells)
    if MISSING in cells:
        present = [row for row, cell in enumerate(cells) if cell is not MISSING]
        return {"rows": gaps(present), "values": to_wire([cells[row] for row in present])}
    whole = [integer_of(cell) for cell in cells]
    if all(cell is None or number is not None for cell, number in zip(cells, whole, strict=True)):
        return {"big": [None if number is None else str(number) for number in whole]}
    return [_cell_to_wire(cell) for cell in cells]


def from_wire(column: Wire, *, size: int) -> list[Cell]:
    """`size` cells. Raises DocumentUnreadable."""
    if isinstance(column, list):
        cells = column if set(map(type, column)) <= _PLAIN else [_cell_from_wire(cell) for cell in column]
    elif "rows" in column:
        rows = rows_of(column["rows"])
        cells = [MISSING] * size
        for row, cell in zip(rows, from_wire(column["values"], size=len(rows)), strict=True):
            cells[row] = cell
    else:
        cells = [None if text is None else cell_of_integer(int(text)) for text in column["big"]]
    if len(cells) != size:
        raise DocumentUnreadable(f"a column has {len(cells)} cells for {size} rows.")
    return cells


def _cell_to_wire(cell: Cell) -> Wire:
    if not isinstance(cell, Json):
        return cell
    value = thaw(cell)
    if isinstance(value, bool):
        return value
    big: list[list[str | int]] = []
    value = _big_as_text(value, (), big)
    if big:
        return {"value": value, "big": big}
    return value if isinstance(value, list) else {"value": value}


def _big_as_text(value: Any, path: tuple[str | int, ...], big: list[list[str | int]]) -> Any:
    """The value with its integers beyond ±SAFE as strings, and in `big` the path to each."""
    if isinstance(value, list):
        return [_big_as_text(item, (*path, index), big) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _big_as_text(item, (*path, key), big) for key, item in value.items()}
    if type(value) is int and not -SAFE <= value <= SAFE:
        big.append(list(path))
        return str(value)
    return value


def _cell_from_wire(cell: Wire) -> Cell:
    if isinstance(cell, bool):
        return TRUE if cell else FALSE
    if isinstance(cell, list):
        return Json(canonical(cell))
    if not isinstance(cell, dict):
        plain: Cell = cell
        return plain
    if cell["value"] == {}:
        return EMPTY_OBJECT
    root = [cell["value"]]
    for path in cell.get("big", ()):
        node: Any = root
        full_path = [0, *path]
        for key in full_path[:-1]:
            node = node[key]
        node[full_path[-1]] = int(node[full_path[-1]])
    value = root[0]
    return cell_of_integer(value) if isinstance(value, int) else Json(canonical(value))


def changes_to_wire(old: Sequence[Cell], *, new: Sequence[Cell]) -> Wire:
    """Differences where most cells are exactly decimal, else `new` as a plain column. No cell of `new` is MISSING."""
    sample, d = _scale(old[:SAMPLE], new[:SAMPLE])  # looking for the decimals of raw doubles would be for nothing
    if sample.count(None) * 2 > len(sample):
        return to_wire(new)
    for decimals in range(d, MAX_DECIMALS + 1):
        if (steps := _all_differences(old, new, decimals)) is not None:
            return {"d": decimals, "v": steps}
        if sample.count(None):
            break
    scaled, d = _scale(old, new)
    absolute = 0
    v: list[Wire] = []
    for pair, cell in zip(scaled, new, strict=True):
        if pair is None:
            absolute += 1
            v.append([_cell_to_wire(cell)])
        else:
            v.append(pair[1] - pair[0])
    return {"d": d, "v": v} if absolute * 2 <= len(v) else to_wire(new)


def changes_from_wire(column: Wire, *, old: Sequence[Cell]) -> list[Cell]:
    """Raises DocumentUnreadable, or TypeError where a difference meets a cell that is no number."""
    if not isinstance(column, dict) or "v" not in column:
        return from_wire(column, size=len(old))
    d, v = column["d"], column["v"]
    if not 0 <= d <= MAX_DECIMALS:
        raise DocumentUnreadable(f"differences of {d} decimals; there are {MAX_DECIMALS} at most.")
    if len(v) == len(old) and set(map(type, v)) == {int} and (found := _all_moved(old, v, d)) is not None:
        return found
    if d == 0:
        return [
            _cell_from_wire(step[0]) if type(step) is list else cell_of_integer(_whole(cell) + step)
            for step, cell in zip(v, old, strict=True)
        ]
    p = 10**d
    cells: list[Cell] = []
    for step, cell in zip(v, old, strict=True):
        if type(step) is list:
            cells.append(_cell_from_wire(step[0]))
        else:
            scaled = round(cell * p) + step
            cells.append(scaled // p if scaled % p == 0 else scaled / p)
    return cells


def _all_moved(old: Sequence[Cell], v: Sequence[int], d: int) -> list[Cell] | None:
    """The cells if all are numbers that doubles hold exactly: what the loops after it find, five times faster."""
    kinds = set(map(type, old))
    if not kinds <= ({int} if d == 0 else {int, float}):
        return None
    p = 10**d
    try:
        scaled = np.rint(np.array(old, dtype=float) * p) + np.array(v, dtype=float)
    except OverflowError:
        return None
    if not np.abs(scaled).max() <= SAFE:  # nor NaN
        return None
    if d == 0:
        whole: list[Cell] = list(map(add, old, v))
        return whole
    cells: list[Cell] = (scaled / p).tolist()
    for at in np.flatnonzero(scaled % p == 0).tolist():
        cells[at] = int(scaled[at]) // p
    return cells


def _whole(cell: Cell) -> int:
    number = integer_of(cell)
    if number is None:
        raise DocumentUnreadable(f"a whole difference to {cell!r}, which is no whole number.")
    return number


def _all_differences(old: Sequence[Cell], new: Sequence[Cell], d: int) -> list[int] | None:
    """The differences if every cell is a number with at most `d` decimals: what `_scale` finds, ten times faster."""
    kinds = {*map(type, old), *map(type, new)}
    if kinds == {int}:
        whole: list[int] = list(map(sub, new, old))
        return whole if d == 0 and min(whole) >= -SAFE and max(whole) <= SAFE else None
    if not kinds <= {int, float}:
        return None
    p = 10**d
    before, after = np.array(old, dtype=float), np.array(new, dtype=float)
    with np.errstate(over="ignore"):
        whole_before, whole_after = np.rint(before * p), np.rint(after * p)
    if max(np.abs(whole_before).max(), np.abs(whole_after).max()) >= MAX_SCALED:
        return None
    if (whole_before / p != before).any() or (whole_after / p != after).any():
        return None
    steps: list[int] = (whole_after - whole_before).astype(int).tolist()
    return steps


def _scale(old: Sequence[Cell], new: Sequence[Cell]) -> tuple[list[tuple[int, int] | None], int]:
    """Pairs of whole numbers (old·10^d, new·10^d), None where a pair is not exactly decimal; and d."""
    d, p = 0, 1
    exact: list[bool] = []
    for pair in zip(old, new, strict=True):
        here = d
        for cell in pair:
            here = _decimals(cell, here)
            if here < 0:
                break
        exact.append(here >= 0)
        d = max(d, here)
    p = 10**d
    pairs: list[tuple[int, int] | None] = []
    for ok, before, after in zip(exact, old, new, strict=True):
        pairs.append(_scaled_pair(before, after, p) if ok else None)
    return pairs, d


def _decimals(cell: Cell, at_least: int) -> int:
    """The smallest d ≥ `at_least` at which the cell is a whole number of 10^-d; −1 if there is none."""
    if type(cell) is int:
        return at_least
    if type(cell) is float:
        for d in range(at_least, MAX_DECIMALS + 1):
            p = 10**d
            scaled = cell * p
            if not -MAX_SCALED < scaled < MAX_SCALED:
                return -1
            if round(scaled) / p == cell:
                return d
        return -1
    return at_least if integer_of(cell) is not None else -1


def _scaled_pair(old: Cell, new: Cell, p: int) -> tuple[int, int] | None:
    if isinstance(old, int | float) and isinstance(new, int | float):
        before, after = old * p, new * p
        if -MAX_SCALED < before < MAX_SCALED and -MAX_SCALED < after < MAX_SCALED:
            return round(before), round(after)
    if p == 1:
        first, second = integer_of(old), integer_of(new)
        if first is not None and second is not None and -SAFE <= second - first <= SAFE:
            return first, second
    return None
