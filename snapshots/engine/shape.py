"""Reads the JSON of records that all have the same keys straight into columns: half the time of a dict for each.

What has other keys, or is not exactly JSON, is not for a shape: its caller reads that one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from snapshots.engine.cells import name_under

MOST_KEYS = 1_000  # of records that are given a shape
MISFITS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# Of one object: its keys in order, and what is under each; None for a leaf.
Keys: TypeAlias = tuple[tuple[str, "Keys | None"], ...]


@dataclass(frozen=True)
class Shape:
    """`read` raises one of MISFITS for a text that does not have the shape."""

    keys: Keys
    read: Callable[[bytes], Any]

    def columns(self, records: Sequence[Any]) -> dict[str, Sequence[Any]]:
        """Leaves by dotted name, of what `read` returned."""
        found: dict[str, Sequence[Any]] = {}
        _take(found, "", self.keys, records)
        return found


def _take(found: dict[str, Sequence[Any]], prefix: str, keys: Keys, nodes: Sequence[Any]) -> None:
    columns = zip(*map(msgspec.structs.astuple, nodes), strict=True)
    for (key, inner), values in zip(keys, columns, strict=True):
        name = name_under(prefix, key)
        if inner is None:
            found[name] = values
        else:
            _take(found, name + ".", inner, values)


def shape_of(record: Any) -> Shape | None:
    """None for what is no object, has none or too many keys, or keys of a kind that shapes can't have."""
    try:
        keys = _keys_of(record)
        return _shape(keys) if keys and 0 < _count(keys) <= MOST_KEYS else None
    except (RecursionError, ValueError):
        return None


def _keys_of(node: Any) -> Keys | None:
    if not isinstance(node, dict) or not node:
        return None
    return tuple((key, _keys_of(value)) for key, value in node.items())


def _count(keys: Keys) -> int:
    return sum(1 if inner is None else 1 + _count(inner) for _, inner in keys)


@lru_cache(maxsize=16)
def _shape(keys: Keys) -> Shape:
    return Shape(keys, msgspec.json.Decoder(_struct(keys)).decode)


def _struct(keys: Keys) -> type[msgspec.Struct]:
    """Raises ValueError for keys with a quote, a backslash or a control character."""
    return msgspec.defstruct(
        "Record",
        [(f"f{number}", Any if inner is None else _struct(inner)) for number, (_, inner) in enumerate(keys)],
        rename={f"f{number}": key for number, (key, _) in enumerate(keys)},
        forbid_unknown_fields=True,
        gc=False,
    )
