"""Turns many records into columns of cells at once: what `cells.flatten` makes of each, at a fifth of the CPU.

Records of one shape are taken apart column by column, in loops of the interpreter's own C. What only some of them have
costs a little more; what can't be published is found by the column, and named by `flatten`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from math import nan
from operator import itemgetter
from typing import Any

import numpy as np

from snapshots.engine.cells import FALSE, MISSING, SAFE, TRUE, Cell, Json, Record, cell_of, flatten, name_under
from snapshots.engine.checksum import Numbers, numbers_of
from snapshots.engine.errors import Unpublishable
from snapshots.engine.state import State, check_width, from_flat

PORTION = 256  # so many records, just parsed, are still in the processor's cache
_NONE = type(None)


def tabulate(records: Mapping[str, Record]) -> tuple[State, dict[str, str]]:
    """What can be published, and symbol → why not for the rest. Raises Unpublishable for too many fields."""
    table, items = Table(), iter(records.items())
    while portion := dict(islice(items, PORTION)):
        table.add(portion)
    return table.state(), table.refused


class Table:
    """Grows by portions. `refused`: symbol → why it is not in the state."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self._symbols: list[str] = []
        self._columns: dict[str, list[Cell]] = {}
        self._numbers: dict[str, list[Numbers]] = {}

    def add(self, records: Mapping[str, Record]) -> None:
        """Other symbols than before. Raises Unpublishable for too many fields."""
        portion = _Portion(list(records.values()))
        if portion.odd:
            symbols = list(records)
            for symbol in [symbols[row] for row in sorted(portion.odd)]:
                try:
                    flatten(records[symbol], symbol=symbol)
                except Unpublishable as error:
                    self.refused[symbol] = str(error)
            records = {symbol: record for symbol, record in records.items() if symbol not in self.refused}
            portion = _Portion(list(records.values()))
        columns, numbers = portion.columns, portion.numbers
        if portion.odd:  # nested so deeply that only one by one will do
            columns = from_flat({symbol: flatten(record, symbol=symbol) for symbol, record in records.items()}).columns
            numbers = {name: numbers_of(cells) for name, cells in columns.items()}
        before = len(self._symbols)
        self._symbols += records
        for name, cells in columns.items():
            if name not in self._columns:
                self._columns[name] = [MISSING] * before
                self._numbers[name] = [np.full(before, nan)]
            self._columns[name] += cells
            self._numbers[name].append(numbers[name])
        if columns.keys() != self._columns.keys():
            check_width(len(self._columns))
            for name in self._columns.keys() - columns.keys():
                self._columns[name] += [MISSING] * len(records)
                self._numbers[name].append(np.full(len(records), nan))

    def state(self) -> State:
        """Call it once: the state has what this table has."""
        row_of = {symbol: row for row, symbol in enumerate(self._symbols)}
        numbers = {name: np.concatenate(parts) for name, parts in self._numbers.items()}
        return State(symbols=[*self._symbols], columns=self._columns, row_of=row_of, numbers=numbers)


class _Portion:
    """The columns of some records; `odd`: rows that no column could take."""

    def __init__(self, nodes: list[Any]) -> None:
        self.columns: dict[str, list[Cell]] = {}
        self.numbers: dict[str, Numbers] = {}
        self.odd: set[int] = set()
        self._size = len(nodes)
        every = range(len(nodes))
        try:
            if set(map(type, nodes)) <= {dict}:
                self._take("", every, nodes)
            else:
                rows = [row for row in every if isinstance(nodes[row], Mapping)]
                self.odd.update(every)
                self.odd.difference_update(rows)
                self._take("", rows, [dict(nodes[row]) for row in rows])
        except RecursionError:
            self.odd.update(every)

    def _take(self, prefix: str, rows: Sequence[int], nodes: list[dict[Any, Any]]) -> None:
        """The columns of what these rows hold under `prefix`."""
        if not nodes:
            return
        keys = nodes[0].keys()
        uniform = set(map(len, nodes)) == {len(keys)}
        if uniform:
            try:
                taken = list(map(list, _transposed(tuple(keys), nodes)))
            except KeyError:
                uniform = False
        if not uniform:
            keys = dict.fromkeys(chain.from_iterable(nodes)).keys()
        check_width(len(self.columns) + len(keys))
        for number, key in enumerate(keys):
            values = taken[number] if uniform else [node.get(key, MISSING) for node in nodes]
            try:
                name = name_under(prefix, key)
            except Unpublishable:
                self.odd.update(row for row, value in zip(rows, values, strict=True) if value is not MISSING)
                continue
            self._take_values(name, rows, values)

    def _take_values(self, name: str, rows: Sequence[int], values: list[Any]) -> None:
        kinds = set(map(type, values))
        if kinds == {dict} and all(values):
            self._take(name + ".", rows, values)
            return
        if any(issubclass(kind, Mapping) for kind in kinds):
            inner = [at for at, value in enumerate(values) if isinstance(value, Mapping) and value]
            self._take(name + ".", [rows[at] for at in inner], [dict(values[at]) for at in inner])
            for at in inner:
                values[at] = MISSING
            kinds = set(map(type, values))
        if kinds == {Json} and all(value is MISSING for value in values):
            return
        cells, numbers = _plain(values, kinds) or (self._one_by_one(name, rows, values), None)
        if len(rows) < self._size:
            column: list[Cell] = [MISSING] * self._size
            for row, cell in zip(rows, cells, strict=True):
                column[row] = cell
            cells, numbers = column, None
        self.columns[name] = cells
        self.numbers[name] = numbers_of(cells) if numbers is None else numbers

    def _one_by_one(self, name: str, rows: Sequence[int], values: list[Any]) -> list[Cell]:
        cells: list[Cell] = []
        for row, value in zip(rows, values, strict=True):
            try:
                cells.append(MISSING if value is MISSING else cell_of(value, name))
            except (Unpublishable, RecursionError):
                self.odd.add(row)
                cells.append(None)
        return cells


def _transposed(keys: tuple[str, ...], nodes: list[dict[Any, Any]]) -> Iterable[tuple[Any, ...]]:
    """The values by key. Each node is looked at once, while it is in the cache. Raises KeyError."""
    if len(keys) < 2:  # itemgetter then gives no tuples
        return [tuple(map(itemgetter(key), nodes)) for key in keys]
    return zip(*map(itemgetter(*keys), nodes), strict=True)


def _plain(values: list[Any], kinds: set[type]) -> tuple[list[Cell], Numbers | None] | None:
    """The cells, if all values are of kinds that need no look at each, and their numbers; else None.

    `cell_of` says what they are. `values` is the caller's to give away.
    """
    if kinds <= {str, _NONE}:
        return values, None
    if kinds == {bool}:
        return [TRUE if value else FALSE for value in values], None
    if not kinds <= {int, float, _NONE}:
        return None
    nones = values.count(None) if _NONE in kinds else 0
    try:
        numbers = np.frombuffer(array("d", [nan if value is None else value for value in values] if nones else values))
    except OverflowError:  # an integer beyond all doubles
        return None
    unsafe = len(numbers) - np.count_nonzero(np.abs(numbers) <= SAFE)  # NaN is not below anything
    if unsafe != nones:
        return None
    if float in kinds:
        for at in np.flatnonzero(numbers == np.rint(numbers)).tolist():
            values[at] = int(values[at])
        numbers = numbers + 0.0  # −0 is 0 in the cells
    return values, numbers
