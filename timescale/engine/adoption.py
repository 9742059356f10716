"""Decides what a table that stands already needs to become the one a model describes. Asks no server, drops nothing.

A column is added, widened or freed of NOT NULL, never removed or narrowed; what can't be changed while others read it
is kept, and said. Rows that share a key go to a table beside. Each change tells its lock and a guess of its time, so
that the dry run and the migration are the same list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from timescale.engine import sizing
from timescale.engine.durations import spell


class Lock(StrEnum):
    NONE = "none"
    WRITES = "writes wait"
    ALL = "reads and writes wait"


@dataclass(frozen=True)
class Step:
    """One thing that an upgrade does, or leaves as it is. `takes` None: at once, whatever the size."""

    relation: str
    says: str
    lock: Lock = Lock.NONE
    rows: int | None = None
    takes: timedelta | None = None
    changes: bool = True  # False: a remark about what is kept

    def __str__(self) -> str:
        return f"{self.relation}: {self.says}"


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class WantedShape:
    """A model's table. `fill` names, for a key column that may be missing, the column whose value it takes."""

    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    fill: Mapping[str, str]


@dataclass(frozen=True)
class Shape:
    """A table as it stands. `clashing` counts the rows that share their key with another, or lack a part of it."""

    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    key_name: str | None
    readers: Mapping[str, tuple[str, ...]]  # column → views and aggregates that read it
    is_hypertable: bool
    compressed_chunks: int
    compressed_rows: int  # of the rows
    rows: int
    bytes: int
    clashing: int

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


# --- the changes, in the order they are made -------------------------------------------------------------------------
@dataclass(frozen=True)
class AddColumn:
    column: Column
    fill: str | None  # a column of the table, for a part of the key


@dataclass(frozen=True)
class Retype:
    name: str
    type: str
    before: str


@dataclass(frozen=True)
class AllowNull:
    name: str


@dataclass(frozen=True)
class SetAside:
    key: tuple[str, ...]
    decompress: bool


@dataclass(frozen=True)
class SetKey:
    key: tuple[str, ...]
    replaces: str | None


@dataclass(frozen=True)
class Keep:
    name: str
    why: str


Change = AddColumn | Retype | AllowNull | SetAside | SetKey | Keep


class Unfit(Exception):
    """A table that can't become what is wanted without losing something: a person has to decide."""

    def __init__(self, table: str, why: str) -> None:
        super().__init__(f"{table}: {why}")
        self.table, self.why = table, why


def plan_table(wanted: WantedShape, found: Shape) -> tuple[Change, ...]:
    """What makes `found` serve as `wanted`; empty when it does. Raises Unfit."""
    changes: list[Change] = []
    for column in wanted.columns:
        standing = found.column(column.name)
        if standing is None:
            fill = wanted.fill.get(column.name)
            if column.name in wanted.key and (fill is None or found.column(fill) is None):
                raise Unfit(wanted.table, f"the column {column.name}, a part of its key, is missing.")
            changes.append(AddColumn(column, fill))
            continue
        changes += _column_changes(wanted, found, column=column, standing=standing)
    if set(found.key) != set(wanted.key):
        missing = any(found.column(name) is None for name in wanted.key)
        if found.clashing and not missing:
            changes.append(SetAside(wanted.key, decompress=found.compressed_chunks > 0))
        changes.append(SetKey(wanted.key, found.key_name))
    for column in found.columns:
        unknown = not any(column.name == ours.name for ours in wanted.columns)
        if unknown and not column.nullable and column.name not in found.key:
            changes.append(AllowNull(column.name))  # what writes the model's columns only must not fail on it
    return tuple(changes)


def _column_changes(wanted: WantedShape, found: Shape, *, column: Column, standing: Column) -> list[Change]:
    changes: list[Change] = []
    have, want = plain_type(standing.type), plain_type(column.type)
    if have != want:
        readers = found.readers.get(column.name, ())
        if widens(have, want):
            if readers:
                changes.append(Keep(column.name, f"stays {have}, not {want}: {', '.join(readers)} reads it"))
            elif found.compressed_chunks:
                changes.append(Keep(column.name, f"stays {have}, not {want}: chunks are compressed"))
            else:
                changes.append(Retype(column.name, want, have))
        elif column.name in wanted.key and not widens(want, have):
            raise Unfit(wanted.table, f"{column.name} is {have}, not {want}; convert it by hand first.")
        elif not widens(want, have):
            changes.append(Keep(column.name, f"stays {have}, not {want}"))
    if column.nullable and not standing.nullable and column.name not in found.key:
        changes.append(AllowNull(column.name))
    return changes


def step_of(change: Change, found: Shape) -> Step:
    """The change as the dry run tells it."""
    table, rows = found.table, found.rows
    match change:
        case AddColumn(column, None):
            return Step(table, f"add the column {column.name} {column.type}, empty", Lock.ALL)
        case AddColumn(column, fill):
            says = f"add the column {column.name} {column.type}, filled from {fill}; later rows get today"
            return Step(table, says, Lock.ALL, rows, sizing.duration(rows, rows_a_second=sizing.DELETED))
        case Retype(name, wanted, before):
            # varchar to text and wider numerics of the same scale change the catalogue alone.
            says = f"widen {name} from {before} to {wanted}"
            return Step(table, says, Lock.ALL, rows, sizing.duration(rows, rows_a_second=sizing.SCANNED))
        case AllowNull(name):
            return Step(table, f"let {name} be NULL", Lock.ALL)
        case SetAside(key, decompress):
            says = f"move {found.clashing:,} rows that share ({', '.join(key)}), all but the last written of each, to "
            says += f"{set_aside_name(table)}"
            takes = sizing.duration(rows, rows_a_second=sizing.COMPARED)
            takes += sizing.duration(found.clashing, rows_a_second=sizing.DELETED)
            if decompress:
                says += f"; compressed chunks, {found.compressed_chunks}, are decompressed first"
                takes += sizing.duration(found.compressed_rows, rows_a_second=sizing.DECOMPRESSED)
            return Step(table, says, Lock.ALL, found.clashing, takes)
        case SetKey(key, replaces):
            says = f"make ({', '.join(key)}) its primary key"
            if replaces:
                says += f" in place of {replaces}; an ON CONFLICT has to name these columns"
            return Step(table, says, Lock.ALL, rows, sizing.duration(rows, rows_a_second=sizing.INDEXED))
        case Keep(name, why):
            return Step(table, f"{name} {why}", changes=False)


def step_of_hypertable(table: str, *, rows: int, interval: timedelta) -> Step:
    takes = sizing.duration(rows, rows_a_second=sizing.MOVED)
    return Step(table, f"make it a hypertable, {spell(interval)} a chunk, and move its rows", Lock.ALL, rows, takes)


def step_of_wide_chunks(table: str, *, chunks: int, rows: int, interval: timedelta) -> Step:
    takes = sizing.duration(rows, rows_a_second=sizing.MOVED)
    says = f"rewrite {chunks} wider chunks as chunks of {spell(interval)}: policies act on whole ones"
    return Step(table, says, Lock.ALL, rows, takes)


def set_aside_name(table: str) -> str:
    return f"{table}_set_aside"[-63:]


def name_before(view: str) -> str:
    """What a view is called that stood where an aggregate is made."""
    return f"{view}_before"


# --- types -----------------------------------------------------------------------------------------------------------
_SHORT = {
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
_INTEGERS = ("smallint", "integer", "bigint")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


def plain_type(name: str) -> str:
    """One spelling for Django's and the catalogue's: `numeric(14, 4)` and `numeric(14,4)` are the same."""
    squeezed = re.sub(r",\s+", ",", name.strip())
    return _SHORT.get(squeezed, squeezed)


def widens(before: str, after: str) -> bool:
    """Whether each value of the one is the same value of the other."""
    if before == after:
        return True
    if after == "text":
        return before.startswith(("character", "varchar", "char"))
    if before in _INTEGERS and after in _INTEGERS:
        return _INTEGERS.index(before) < _INTEGERS.index(after)
    if after == "numeric":
        return before.startswith("numeric") or before in _INTEGERS
    narrow, wide = _NUMERIC.fullmatch(before), _NUMERIC.fullmatch(after)
    if narrow and wide:
        (p, s), (q, t) = map(int, narrow.groups()), map(int, wide.groups())
        return q - t >= p - s and t >= s
    return False
