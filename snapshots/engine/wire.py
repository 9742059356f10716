"""Writes columns of cells as JSON and reads them back. Knows nothing of documents.

plain        [cell, …]                            a cell: null, true, 7, "text", [list], or {"value":…, "big":[path, …]}
integers     {"big": ["1755000000000000001", …]}  each a whole number of any size, or null
sparse       {"rows": [gap, …], "values": column} the other rows have no such field

In deltas there are differences too: see differences.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from snapshots.engine.arrays import Rows, integers_of, python_numbers
from snapshots.engine.cells import (
    EMPTY_OBJECT,
    FALSE,
    SAFE,
    TRUE,
    Cell,
    Json,
    canonical,
    cell_of_integer,
    integer_of,
    thaw,
)
from snapshots.engine.column import (
    ABSENT,
    BIG,
    JSON,
    NUMBER,
    Column,
)
from snapshots.engine.errors import DocumentUnreadable

Wire: TypeAlias = Any  # what orjson.dumps takes, arrays of integers included, and orjson.loads gives

MAX_STEP = 2**31  # between two rows: a state has fewer
_PLAIN = {int, float, str, type(None)}


def gaps(rows: Rows) -> Rows:
    """Ascending rows as the first one and the steps from each to the next: small numbers compress."""
    return np.diff(rows, prepend=0)


def rows_of(steps: Sequence[int]) -> Rows:
    """Raises DocumentUnreadable for rows that do not ascend, and TypeError for what is no whole number."""
    found = integers_of(steps)
    if len(found) and (found[0] < 0 or found.max() > MAX_STEP or (found[1:] < 1).any()):
        raise DocumentUnreadable("rows that do not ascend.")
    return np.cumsum(found)


def to_wire(column: Column) -> Wire:
    kinds = set(np.unique(column.kinds).tolist())
    if kinds <= {NUMBER}:
        return python_numbers(column.doubles)
    if ABSENT in kinds:
        present = np.flatnonzero(column.kinds != ABSENT)
        return {"rows": gaps(present), "values": to_wire(column.take(present))}
    cells = column.cells()
    if not kinds & {BIG, JSON}:
        return cells
    whole = [integer_of(cell) for cell in cells]
    if all(cell is None or number is not None for cell, number in zip(cells, whole, strict=True)):
        return {"big": [None if number is None else str(number) for number in whole]}
    return [cell_to_wire(cell) for cell in cells]


def from_wire(column: Wire, *, size: int) -> Column:
    """`size` cells. Raises DocumentUnreadable, or TypeError and others for what is no column."""
    if isinstance(column, list):
        cells = Column.of(column if set(map(type, column)) <= _PLAIN else [_cell_from_wire(cell) for cell in column])
        if not np.isfinite(cells.doubles).all():
            raise DocumentUnreadable("a number beyond all doubles.")
    elif "rows" in column:
        rows = rows_of(column["rows"])
        if len(rows) and rows[-1] >= size:
            raise DocumentUnreadable(f"row {rows[-1]} of {size}.")
        cells = Column.filled(size, ABSENT).replaced(rows, from_wire(column["values"], size=len(rows)))
    else:
        cells = Column.of([None if text is None else cell_of_integer(int(text)) for text in column["big"]])
    if len(cells) != size:
        raise DocumentUnreadable(f"a column has {len(cells)} cells for {size} rows.")
    return cells


def cell_to_wire(cell: Cell) -> Wire:
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
