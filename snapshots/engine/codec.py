"""Documents to JSON and back, as docs/snapshot-format.md says. Decides nothing; what is stored is in frame.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import orjson

from snapshots.engine import differences, wire
from snapshots.engine.arrays import Rows
from snapshots.engine.column import ABSENT, Column
from snapshots.engine.delta import Changes, Delta, taken
from snapshots.engine.errors import DocumentUnreadable, Unpublishable
from snapshots.engine.state import State, check_size
from snapshots.engine.weight import MAX_PARSED_BYTES, is_too_heavy

VERSION = 1

_UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    Unpublishable,  # more columns or cells than a state may have
)

Kind = Literal["full", "delta"]
T = TypeVar("T")


@dataclass(frozen=True)
class Header:
    """`base` is the sequence of the full that numbers the rows; `ts` is in ms since 1970."""

    kind: Kind
    name: str
    epoch: str
    sequence: int
    base: int
    ts: int
    profile: str
    checksum: str

    def wire(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": self.kind,
            "name": self.name,
            "epoch": self.epoch,
            "seq": self.sequence,
            "base": self.base,
            "ts": self.ts,
            "profile": self.profile,
            "checksum": self.checksum,
        }


@dataclass(frozen=True)
class Document:
    header: Header
    body: dict[str, Any]

    @property
    def reorders(self) -> bool:
        """True for the delta that leads to the next full: after it, rows are put into that full's order."""
        return "reorder" in self.body

    @property
    def reorder_by(self) -> str | None:
        by = self.body["reorder"]["by"]
        return None if by is None else str(by)


def encode_full(state: State, *, header: Header) -> bytes:
    """`state` has no removed rows: it was reordered."""
    return _dump({**header.wire(), **_table(state)})


def encode_delta(delta: Delta, *, state: State, header: Header, reorder_by: str | None, reorders: bool) -> bytes:
    """`state` is the one that the delta starts from."""
    body: dict[str, Any] = header.wire()
    if delta.removed:
        body["remove"] = wire.gaps(np.array(delta.removed))
    if delta.added.symbols:
        body["add"] = _table(delta.added)
    body["groups"] = _groups(delta, state)
    if reorders:
        body["reorder"] = {"by": reorder_by}
    return _dump(body)


def read(raw: bytes) -> Document:
    """Raises DocumentUnreadable."""
    if is_too_heavy(raw):
        raise DocumentUnreadable(
            f"a document of {len(raw):,} bytes that would take more than {MAX_PARSED_BYTES:,} parsed."
        )
    try:
        body = _loads(raw)
        if body["v"] != VERSION:
            raise DocumentUnreadable(f"the document is of version {body['v']!r}; this reader knows {VERSION}.")
        kind: Kind = {"full": "full", "delta": "delta"}[body["kind"]]  # type: ignore[assignment]
        header = Header(
            kind,
            str(body["name"]),
            str(body["epoch"]),
            int(body["seq"]),
            int(body["base"]),
            int(body["ts"]),
            str(body["profile"]),
            str(body["checksum"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DocumentUnreadable(f"these {len(raw)} bytes are no snapshot document: {error!r}") from error
    return Document(header, body)


def state_of(document: Document) -> State:
    """The state that a full holds. Raises DocumentUnreadable; its checksum is for the chain to compare."""
    return _guard(document, lambda: _state(document.body))


def delta_of(document: Document, *, state: State) -> Delta:
    """The delta in absolute values. Raises DocumentUnreadable, also where `state` is not what it starts from."""
    return _guard(document, lambda: _delta(document.body, state))


def _loads(raw: bytes) -> Any:
    """Raises ValueError and RecursionError."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:  # half of a surrogate pair, which json takes
        return json.loads(raw)


def _dump(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # a lone surrogate: JSON can say it, UTF-8 can't
        array: Any = np.ndarray.tolist
        return json.dumps(body, separators=(",", ":"), allow_nan=False, check_circular=False, default=array).encode()


def _table(state: State) -> dict[str, Any]:
    columns = {name: wire.to_wire(column) for name, column in state.columns.items() if not column.is_empty}
    return {"symbols": state.symbols, "columns": columns}


def _groups(delta: Delta, state: State) -> list[dict[str, Any]]:
    """Columns that changed in the same rows share one list of rows."""
    groups: dict[bytes, dict[str, Any]] = {}

    def group(rows: Rows) -> dict[str, Any]:
        return groups.setdefault(rows.tobytes(), {"rows": wire.gaps(rows)})

    for name, (rows, cells) in delta.changes.items():
        if not cells.only_numbers and (absent := cells.kinds == ABSENT).any():
            group(rows[absent]).setdefault("missing", []).append(name)
            rows, cells = rows[~absent], cells.take(np.flatnonzero(~absent))
        if len(rows):
            group(rows).setdefault("columns", {})[name] = differences.to_wire(taken(state, name, rows), new=cells)
    return list(groups.values())


def _state(body: dict[str, Any]) -> State:
    symbols: list[str | None] = body["symbols"]
    row_of = {symbol: row for row, symbol in enumerate(symbols) if isinstance(symbol, str)}
    if len(row_of) != len(symbols):
        raise DocumentUnreadable("a symbol is there twice, or is no string.")
    check_size(symbols=len(symbols), columns=len(body["columns"]))
    columns = {name: wire.from_wire(column, size=len(symbols)) for name, column in body["columns"].items()}
    return State(symbols=symbols, columns=columns, row_of=row_of)


def _delta(body: dict[str, Any], state: State) -> Delta:
    parts: dict[str, list[tuple[Rows, Column]]] = {}
    for group in body["groups"]:
        rows = wire.rows_of(group["rows"])
        if len(rows) and rows[-1] >= len(state.symbols):
            raise DocumentUnreadable(f"row {rows[-1]} of {len(state.symbols)}.")
        for name, column in group.get("columns", {}).items():
            cells = differences.from_wire(column, old=taken(state, name, rows))
            parts.setdefault(name, []).append((rows, cells))
        for name in group.get("missing", ()):
            parts.setdefault(name, []).append((rows, Column.filled(len(rows), ABSENT)))
    changes: Changes = {name: _joined(found) for name, found in parts.items()}
    removed = wire.rows_of(body.get("remove", ()))
    if len(removed) and removed[-1] >= len(state.symbols):
        raise DocumentUnreadable(f"row {removed[-1]} of {len(state.symbols)} to be removed.")
    added = _state(body["add"]) if "add" in body else State()
    if not state.row_of.keys().isdisjoint(added.row_of):
        raise DocumentUnreadable("a symbol is added that is there already.")
    return Delta(removed=removed.tolist(), added=added, changes=changes)


def _joined(parts: list[tuple[Rows, Column]]) -> tuple[Rows, Column]:
    """What several groups say of one column."""
    (rows, cells), *others = parts
    if not others:
        return rows, cells
    return np.concatenate([rows, *(more for more, _ in others)]), cells.joined(*(more for _, more in others))


def _guard(document: Document, decode: Callable[[], T]) -> T:
    try:
        return decode()
    except _UNREADABLE as error:
        header = document.header
        raise DocumentUnreadable(
            f"{header.name}: the {header.kind} {header.sequence} cannot be read: {error!r}"
        ) from error
