"""Finds which of a caller's records changed since the last call. Keeps nothing between two calls."""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping
from itertools import islice

import msgspec
import orjson

from snapshots.engine.cells import Record
from snapshots.engine.errors import Unpublishable
from snapshots.engine.state import State
from snapshots.engine.table import PORTION, Table

_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode


def changed_of(snapshot: Mapping[str, Record], *, raw_before: Mapping[str, bytes]) -> tuple[State, dict[str, bytes]]:
    """The records whose bytes are others than before, and the bytes of all. Raises Unpublishable, naming the symbol.

    Callers change their dicts in place, so what they said last has to be copied. Portions of them are taken apart while
    what was just copied is still in the processor's cache.
    """
    table, raw, items = Table(), {}, iter(snapshot.items())
    while portion := list(islice(items, PORTION)):
        changed: dict[str, Record] = {}
        for symbol, record in portion:
            raw[symbol] = text = _bytes_of(record)
            if not text or raw_before.get(symbol) != text:
                changed[symbol] = record
        if changed:
            table.add(changed)
    if table.refused:
        raise Unpublishable(next(iter(table.refused.values())))
    return table.state(), raw


def _bytes_of(record: Record) -> bytes:
    """Other bytes for another record; none for one that has to be looked at each time.

    Of all that Python has, msgpack is written fastest, and exactly: NaN is not null to it. What it does not know, as
    numpy's numbers, marshal may. To both a few values that no JSON has are like one that it has, as a date is like its
    text: it passes for that text where just that is published, and is refused anywhere else.
    """
    try:
        return _encode(record)
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    try:
        return marshal.dumps(record, 2)  # type: ignore[arg-type]  # ValueError says it can't
    except ValueError:
        return b""


def json_bytes(snapshot: Mapping[str, Record]) -> int:
    """What the records take as JSON."""
    try:
        return len(orjson.dumps(snapshot))
    except TypeError:  # integers beyond 64 bits, lone surrogates, mappings that are no dict
        return len(json.dumps(snapshot, separators=(",", ":"), default=dict))
