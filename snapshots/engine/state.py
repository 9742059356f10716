"""The published state: rows of symbols, columns of cells. Values only; what changes between two is in delta.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from snapshots.engine import checksum as sums
from snapshots.engine.cells import MISSING, Flat, Record, flatten, split_name, unflatten
from snapshots.engine.column import NUMBER, Column
from snapshots.engine.errors import Unpublishable

# The first of these that the records have orders the rows of a full: what trades together then stands together,
# which makes deltas 6 % smaller.
VOLUME_COLUMNS = ("volume_today", "day.v", "volume", "min.av")
MAX_COLUMNS = 4_096
MAX_CELLS = 2**25  # symbols × columns: a few bytes of sparse columns can claim any number of them
REMOVED_KIND = NUMBER  # a removed row holds the number 0 in every column


@dataclass(frozen=True)
class State:
    """Never changed after it was made: `apply` makes another that shares the untouched columns.

    A removed symbol leaves None in its row until the next full, so that rows keep their numbers.
    """

    symbols: list[str | None] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    row_of: dict[str, int] = field(default_factory=dict)

    @property
    def tickers(self) -> int:
        return len(self.row_of)

    @cached_property
    def symbols_digest(self) -> int:
        return sums.symbols_digest(self.symbols)

    @cached_property
    def checksum(self) -> str:
        return sums.checksum(
            self.symbols_digest, columns={name: column.digest for name, column in self.columns.items()}
        )


def from_flat(records: Mapping[str, Flat]) -> State:
    names: dict[str, None] = {}
    for flat in records.values():
        if not flat.keys() <= names.keys():
            names.update(dict.fromkeys(flat))
    check_width(len(names))
    rows = list(records.values())
    return State(
        symbols=list(records),
        columns={name: Column.of([flat.get(name, MISSING) for flat in rows]) for name in names},
        row_of={symbol: row for row, symbol in enumerate(records)},
    )


def from_records(records: Mapping[str, Record]) -> State:
    """Raises Unpublishable, naming symbol and field."""
    return from_flat({symbol: flatten(record, symbol=symbol) for symbol, record in records.items()})


def check_width(columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise Unpublishable(
            f"the records have {columns:,} different fields, more than {MAX_COLUMNS:,}: is an object keyed by data?"
        )


def check_size(*, symbols: int, columns: int) -> None:
    check_width(columns)
    if symbols * columns > MAX_CELLS:
        raise Unpublishable(f"{symbols:,} symbols of {columns:,} fields are more than {MAX_CELLS:,} cells.")


def to_records(state: State) -> dict[str, dict[str, Any]]:
    """What the source said: symbol → record."""
    paths = [split_name(name) for name in state.columns]
    columns = [column.cells() for column in state.columns.values()]
    records = {}
    for symbol, row in state.row_of.items():
        leaves = zip(paths, [column[row] for column in columns], strict=True)
        records[symbol] = unflatten((path, cell) for path, cell in leaves if cell is not MISSING)
    return records


def volume_column(state: State) -> str | None:
    return next((name for name in VOLUME_COLUMNS if name in state.columns), None)


def reorder(state: State, *, by: str | None) -> State:
    """The same content without removed rows and empty columns, the largest `by` first; equal ones keep their order.

    Readers do the same at a delta that says so, so the order must follow from the state alone.
    """
    rows = np.array([row for row, symbol in enumerate(state.symbols) if symbol is not None], dtype=np.int64)
    if by is not None and (column := state.columns.get(by)) is not None:
        keys = np.where(column.kinds == NUMBER, -column.doubles, np.inf)
        rows = rows[np.argsort(keys[rows], kind="stable")]
    columns = {name: column.take(rows) for name, column in state.columns.items()}
    symbols = [state.symbols[row] for row in rows.tolist()]
    return State(
        symbols=symbols,
        columns={name: column for name, column in columns.items() if not column.is_empty},
        row_of={symbol: row for row, symbol in enumerate(symbols) if symbol is not None},
    )
