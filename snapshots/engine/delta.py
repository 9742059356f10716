"""What changed between two states: `apply(old, diff(old, …))` is the new one. Knows nothing of documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from snapshots.engine.arrays import Mask, Rows
from snapshots.engine.column import ABSENT, Column
from snapshots.engine.state import REMOVED_KIND, State, check_size
from snapshots.engine.thresholds import EXACT, Thresholds

Changes: TypeAlias = dict[str, tuple[Rows, Column]]


@dataclass(frozen=True)
class Delta:
    """`changes`: column → (rows, their new cells), ABSENT where the field went away."""

    removed: list[int] = field(default_factory=list)
    added: State = field(default_factory=State)
    changes: Changes = field(default_factory=dict)
    held: list[int] = field(default_factory=list)  # rows whose changes wait for more

    @cached_property
    def updated(self) -> int:
        """Tickers with a changed cell."""
        size = max((int(rows.max()) + 1 for rows, _ in self.changes.values() if len(rows)), default=0)
        return int(np.count_nonzero(touched(self.changes, size)))

    def new_fields(self, state: State) -> list[str]:
        """Fields that `state` has no column for."""
        return [name for name in {**self.changes, **self.added.columns} if name not in state.columns]


def diff(state: State, *, upserts: State, removals: Iterable[str] = (), thresholds: Thresholds = EXACT) -> Delta:
    """`upserts` need not have changed; a symbol in neither stays as it is. Rows of changes ascend."""
    row_of = state.row_of
    known = np.array([row_of.get(symbol, -1) for symbol in upserts.row_of], dtype=np.int64)
    ats = np.argsort(known, kind="stable")[np.count_nonzero(known < 0) :]  # rows of upserts, as state orders them
    rows = known[ats]
    changes: Changes = {}
    for name in {**state.columns, **upserts.columns} if len(rows) else ():
        new = upserts.columns.get(name) or Column.filled(len(known), ABSENT)
        # As upserts order them, new symbols compared with any row: only what changed is worth to be put in order.
        unequal = taken(state, name, known).differs(new)[ats]
        if unequal.any():
            changes[name] = rows[unequal], new.take(ats[unequal])
    held = np.zeros(len(state.symbols), dtype=bool) if thresholds.exact else _held(changes, state, thresholds)
    if held.any():
        changes = {name: kept for name, change in changes.items() if len((kept := _without(held, *change))[0])}
    return Delta(
        removed=sorted(row_of[symbol] for symbol in set(removals) if symbol in row_of),
        added=_added(upserts, np.flatnonzero(known < 0)),
        changes=changes,
        held=np.flatnonzero(held).tolist(),
    )


def diff_to(state: State, *, records: State, thresholds: Thresholds = EXACT) -> Delta:
    """The delta to exactly `records`: who is not among them is removed."""
    removals = [symbol for symbol in state.row_of if symbol not in records.row_of]
    return diff(state, upserts=records, removals=removals, thresholds=thresholds)


def touched(changes: Changes, size: int) -> Mask:
    """Of `size` rows, those with a changed cell."""
    found = np.zeros(size, dtype=bool)
    for rows, _ in changes.values():
        found[rows] = True
    return found


def taken(state: State, name: str, rows: Rows) -> Column:
    """These rows of a column that may not be there."""
    column = state.columns.get(name)
    return Column.filled(len(rows), ABSENT) if column is None else column.take(rows)


def _held(changes: Mapping[str, tuple[Rows, Column]], state: State, thresholds: Thresholds) -> Mask:
    """The rows that wait: none of their changes is beyond its threshold."""
    changed, due = np.zeros(len(state.symbols), dtype=bool), np.zeros(len(state.symbols), dtype=bool)
    for name, (rows, new) in changes.items():
        changed[rows] = True
        threshold = thresholds.of(name)
        if not threshold.any_kind:
            old = taken(state, name, rows)
            before, after = old.estimates, new.estimates
            with np.errstate(over="ignore"):
                allowed = np.maximum(threshold.share * np.abs(before), threshold.points)
                due[rows[~(np.abs(after - before) <= allowed)]] = True  # NaN, which is no number, is not within
    return changed & ~due


def _without(held: Mask, rows: Rows, cells: Column) -> tuple[Rows, Column]:
    kept = np.flatnonzero(~held[rows])
    return rows[kept], cells.take(kept)


def _added(upserts: State, rows: Rows) -> State:
    """The rows of `upserts` that are new, without the fields that none of these have."""
    if len(rows) == len(upserts.symbols):
        return upserts
    columns = {name: column.take(rows) for name, column in upserts.columns.items()} if len(rows) else {}
    symbols = [upserts.symbols[row] for row in rows.tolist()]
    return State(
        symbols=symbols,
        columns={name: column for name, column in columns.items() if not column.is_empty},
        row_of={symbol: row for row, symbol in enumerate(symbols) if symbol is not None},
    )


def apply(state: State, *, delta: Delta) -> State:
    """The next state; `state` stays as it is. Rows are as `state` numbers them."""
    size, more, removed = len(state.symbols), len(delta.added.symbols), np.array(delta.removed, dtype=np.int64)
    columns = dict(state.columns)
    # In order: that of a full's columns follows.
    names = dict.fromkeys([*columns, *delta.changes, *delta.added.columns])
    check_size(symbols=size + more, columns=len(names))
    for name in names:
        column = columns[name] if name in columns else _new_column(state)
        if name in delta.changes:
            column = column.replaced(*delta.changes[name])
        if delta.removed:
            column = column.replaced(removed, Column.filled(len(removed), REMOVED_KIND))
        if more:
            column = column.joined(delta.added.columns.get(name) or Column.filled(more, ABSENT))
        columns[name] = column
    if not delta.removed and not more:
        after = State(symbols=state.symbols, columns=columns, row_of=state.row_of)
        after.__dict__["symbols_digest"] = state.symbols_digest  # of the same symbols
        return after
    symbols, row_of = list(state.symbols), dict(state.row_of)
    for row in delta.removed:
        if (symbol := symbols[row]) is not None:
            del row_of[symbol]
        symbols[row] = None
    row_of.update((symbol, size + row) for symbol, row in delta.added.row_of.items())
    return State(symbols=symbols + delta.added.symbols, columns=columns, row_of=row_of)


def _new_column(state: State) -> Column:
    removed = np.array([row for row, symbol in enumerate(state.symbols) if symbol is None], dtype=np.int64)
    column = Column.filled(len(state.symbols), ABSENT)
    return column.replaced(removed, Column.filled(len(removed), REMOVED_KIND))
