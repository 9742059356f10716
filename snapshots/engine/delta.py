"""What changed between two states: `apply(old, diff(old, …))` is the new one. Knows nothing of documents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import ne
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from snapshots.engine.cells import MISSING, Cell
from snapshots.engine.checksum import Numbers, numbers_of
from snapshots.engine.state import REMOVED_CELL, State, check_size
from snapshots.engine.thresholds import EXACT, Thresholds

Rows: TypeAlias = npt.NDArray[np.int_]


@dataclass(frozen=True)
class Delta:
    """`changes`: column → (rows, their new cells), rows ascending; MISSING where the field went away."""

    removed: list[int] = field(default_factory=list)
    added: State = field(default_factory=State)
    changes: dict[str, tuple[list[int], list[Cell]]] = field(default_factory=dict)
    updated: int = 0  # tickers with a changed cell
    held: list[int] = field(default_factory=list)  # rows whose changes wait for more

    def new_fields(self, state: State) -> list[str]:
        """Fields that `state` has no column for."""
        return [name for name in {**self.changes, **self.added.columns} if name not in state.columns]


def diff(state: State, *, upserts: State, removals: Iterable[str] = (), thresholds: Thresholds = EXACT) -> Delta:
    """`upserts` need not have changed; a symbol in neither stays as it is."""
    row_of = state.row_of
    known = np.array([row_of.get(symbol, -1) for symbol in upserts.row_of], dtype=int)
    ats = np.argsort(known, kind="stable")[np.count_nonzero(known < 0) :]  # rows of upserts, as state orders them
    rows = known[ats]
    changes: dict[str, tuple[list[int], list[Cell]]] = {}
    for name in {**state.columns, **upserts.columns} if len(rows) else ():
        old, new = state.columns.get(name), upserts.columns.get(name)
        unequal = _unequal(old, new, state.numbers.get(name), upserts.numbers.get(name), rows, ats)
        if unequal.any():
            changes[name] = rows[unequal].tolist(), _cells(new, ats[unequal])
    held = set() if thresholds.exact else _held(changes, state, thresholds)
    if held:
        changes = {name: kept for name, change in changes.items() if (kept := _without(held, *change))[0]}
    return Delta(
        removed=sorted(row_of[symbol] for symbol in set(removals) if symbol in row_of),
        added=_added(upserts, [at for symbol, at in upserts.row_of.items() if symbol not in row_of]),
        changes=changes,
        updated=len(set().union(*(rows for rows, _ in changes.values()))),
        held=sorted(held),
    )


def diff_to(state: State, *, records: State, thresholds: Thresholds = EXACT) -> Delta:
    """The delta to exactly `records`: who is not among them is removed."""
    removals = [symbol for symbol in state.row_of if symbol not in records.row_of]
    return diff(state, upserts=records, removals=removals, thresholds=thresholds)


def _unequal(
    old: list[Cell] | None,
    new: list[Cell] | None,
    old_numbers: Numbers | None,
    new_numbers: Numbers | None,
    rows: Rows,
    ats: Rows,
) -> npt.NDArray[np.bool_]:
    """Whether the cells old[row] and new[at] differ, of each pair. Only those that are no numbers are looked at."""
    if old_numbers is None or new_numbers is None:
        return np.array(list(map(ne, _cells(old, rows), _cells(new, ats))), dtype=bool)
    before, after = old_numbers[rows], new_numbers[ats]
    unequal: npt.NDArray[np.bool_] = before != after
    others = np.flatnonzero(np.isnan(before) & np.isnan(after))
    if len(others):
        unequal[others] = list(map(ne, _cells(old, rows[others]), _cells(new, ats[others])))
    return unequal


def _cells(column: list[Cell] | None, rows: Rows) -> list[Cell]:
    return [MISSING] * len(rows) if column is None else list(map(column.__getitem__, rows.tolist()))


def _held(changes: Mapping[str, tuple[list[int], list[Cell]]], state: State, thresholds: Thresholds) -> set[int]:
    """The rows that wait: none of their changes is beyond its threshold."""
    changed, due = np.zeros(len(state.symbols), dtype=bool), np.zeros(len(state.symbols), dtype=bool)
    for name, (rows, cells) in changes.items():
        changed[rows] = True
        threshold = thresholds.of(name)
        if not threshold.any_kind:
            before, after = numbers_of(_cells(state.columns.get(name), np.array(rows))), numbers_of(cells)
            allowed = np.maximum(threshold.share * np.abs(before), threshold.points)
            due[np.array(rows)[~(np.abs(after - before) <= allowed)]] = True  # NaN, which is no number, is not within
    return set(np.flatnonzero(changed & ~due).tolist())


def _without(held: set[int], rows: list[int], cells: list[Cell]) -> tuple[list[int], list[Cell]]:
    kept = [row not in held for row in rows]
    return list(compress(rows, kept)), list(compress(cells, kept))


def _added(upserts: State, ats: list[int]) -> State:
    """The rows of `upserts` that are new, without the fields that none of these have."""
    if len(ats) == len(upserts.symbols):
        return upserts
    columns = {name: [column[at] for at in ats] for name, column in upserts.columns.items()}
    symbols = [upserts.symbols[at] for at in ats]
    return State(
        symbols=symbols,
        columns={name: cells for name, cells in columns.items() if cells.count(MISSING) < len(cells)},
        row_of={symbol: row for row, symbol in enumerate(symbols) if symbol is not None},
    )


def apply(state: State, *, delta: Delta) -> State:
    """The next state; `state` stays as it is. Rows are as `state` numbers them."""
    columns = dict(state.columns)
    size, more = len(state.symbols), len(delta.added.symbols)
    touched = dict.fromkeys([*delta.changes, *delta.added.columns])  # in order: that of a full's columns follows
    if delta.removed or more:
        touched |= dict.fromkeys(columns)
    check_size(symbols=size + more, columns=len(columns.keys() | touched.keys()))
    for name in touched:
        columns[name] = list(columns[name]) if name in columns else _new_column(state)
    for name, (rows, cells) in delta.changes.items():
        column = columns[name]
        for row, cell in zip(rows, cells, strict=True):
            column[row] = cell
    symbols, row_of = state.symbols, state.row_of
    if delta.removed or more:
        symbols, row_of = list(symbols), dict(row_of)
        for row in delta.removed:
            symbol = symbols[row]
            if symbol is not None:
                del row_of[symbol]
            symbols[row] = None
        for column in columns.values():
            for row in delta.removed:
                column[row] = REMOVED_CELL
        symbols += delta.added.symbols
        row_of.update((symbol, size + row) for symbol, row in delta.added.row_of.items())
        for name in columns:
            columns[name] += delta.added.columns.get(name) or [MISSING] * more
    return State(
        symbols=symbols,
        columns=columns,
        row_of=row_of,
        digests={name: digest for name, digest in state.digests.items() if name not in touched},
        numbers=_numbers_after(state, delta, touched),
    )


def _numbers_after(state: State, delta: Delta, touched: Collection[str]) -> dict[str, Numbers]:
    """As `apply` does with columns; without those for which the next checksum has to look at every cell."""
    after = {name: numbers for name, numbers in state.numbers.items() if name not in touched}
    if delta.removed or delta.added.symbols:
        return after
    for name, (rows, cells) in delta.changes.items():
        if name in state.numbers:
            numbers = after[name] = state.numbers[name].copy()
            numbers[rows] = numbers_of(cells)
    return after


def _new_column(state: State) -> list[Cell]:
    return [REMOVED_CELL if symbol is None else MISSING for symbol in state.symbols]
