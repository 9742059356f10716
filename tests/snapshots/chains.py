"""Builds chains of documents without a server, and reads them as a reader does."""

from __future__ import annotations

from typing import Any

from snapshots.engine import chain, codec, frame
from snapshots.engine.build import Build, encode, prepare
from snapshots.engine.column import Column
from snapshots.engine.plan import Options
from snapshots.engine.state import State
from snapshots.engine.table import tabulate

Records = dict[str, dict[str, Any]]


def exact(value: Any) -> Any:
    """Such that `==` tells True from 1, and nothing else more than JSON does."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return ("boolean", value) if isinstance(value, bool) else value


def flat(records: Records) -> State:
    state, refused = tabulate(records)
    assert not refused
    return state


def made_anew(state: State) -> State:
    """The same cells in new columns, so that nothing is kept from before."""
    columns = {name: Column.of(column.cells()) for name, column in state.columns.items()}
    return State(list(state.symbols), columns, dict(state.row_of))


def build(published: chain.Published | None, records: Records, *, now_ms: int = 0, **how: Any) -> Build:
    state = published.state if published else State()
    options = how.pop("options", Options())
    prepared = prepare(
        published,
        name="test",
        new_epoch=how.pop("new_epoch", "e1"),
        upserts=flat(records),
        removals=[symbol for symbol in state.row_of if symbol not in records],
        now_ms=now_ms,
        options=options,
        **how,
    )
    return encode(prepared, options=options, full_bytes=how.pop("full_bytes", 10**9))


def document(stored: Any) -> codec.Document:
    return codec.read(frame.unpack(stored.stored))


def follow(reader: chain.Published | None, built: Build) -> chain.Published:
    """As a reader does that prefers deltas to fulls."""
    if reader is not None and built.delta is not None:
        return chain.follow(reader, document=document(built.delta))
    assert built.full is not None
    return chain.open_full(document(built.full))
