"""Reads the JSON of records that all have the same keys straight into columns: half the time of a dict for each.

What has other keys or kinds of values, or is not exactly JSON, is not for a shape: its caller reads that one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from snapshots.engine.arrays import doubles_of, integers_of
from snapshots.engine.cells import SAFE, name_under

MOST_KEYS = 1_000  # of records that are given a shape
MISFITS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# Of one object: its keys in order, and what is under each. A leaf is float, int, or Any.
Keys: TypeAlias = "tuple[tuple[str, Keys | Any], ...]"
Values: TypeAlias = "Sequence[Any] | npt.NDArray[Any]"

_MOST = {float: SAFE, int: 2**63 - 1}


@dataclass(frozen=True)
class Shape:
    """`read` raises one of MISFITS for a text that does not have the shape."""

    keys: Keys
    read: Callable[[bytes], Any]

    def columns(self, records: Sequence[Any]) -> dict[str, Values] | None:
        """Leaves by dotted name, of what `read` returned; None where they need a look at each.

        That is an integer beyond 64 bits, or a number that may be an integer which no double holds.
        """
        found: dict[str, Values] = {}
        try:
            _take(found, "", self.keys, records)
        except TypeError:
            return None
        return found


def _take(found: dict[str, Values], prefix: str, keys: Keys, nodes: Sequence[Any]) -> None:
    columns = zip(*map(msgspec.structs.astuple, nodes), strict=True)
    for (key, inner), values in zip(keys, columns, strict=True):
        name = name_under(prefix, key)
        if isinstance(inner, tuple):
            _take(found, name + ".", inner, values)
        elif inner is float:
            found[name] = doubles = doubles_of(values)
            if np.abs(doubles).max() > SAFE:
                raise TypeError("perhaps an integer that is no double")
        else:
            found[name] = integers_of(values) if inner is int else values


def shape_of(records: Iterable[Any]) -> Shape | None:
    """Of the first; the others only say what kinds of values there are.

    None for what is no object, has none or too many keys, or keys of a kind that shapes can't have.
    """
    try:
        keys: Any = None
        for record in records:
            found = _keys_of(record)
            keys = found if keys is None else _both(keys, found)
        return _shape(keys) if isinstance(keys, tuple) and 0 < _count(keys) <= MOST_KEYS else None
    except (RecursionError, ValueError):
        return None


def _keys_of(node: Any) -> Any:
    if isinstance(node, dict) and node:
        return tuple((key, _keys_of(value)) for key, value in node.items())
    most = _MOST.get(type(node))
    return Any if most is None or abs(node) > most else type(node)


def _both(one: Any, other: Any) -> Any:
    """`one`, such that `other` has it too, unless it has other keys."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        kinds = dict(other)
        if kinds.keys() == dict(one).keys():
            return tuple((key, _both(inner, kinds[key])) for key, inner in one)
    if isinstance(one, tuple) or isinstance(other, tuple):
        return one
    return one if one is other else float if {one, other} == {int, float} else Any


def _count(keys: Keys) -> int:
    return sum(1 + _count(inner) if isinstance(inner, tuple) else 1 for _, inner in keys)


@lru_cache(maxsize=64)
def _shape(keys: Keys) -> Shape:
    return Shape(keys, msgspec.json.Decoder(_struct(keys)).decode)


def _struct(keys: Keys) -> type[msgspec.Struct]:
    """Raises ValueError for keys with a quote, a backslash or a control character."""
    return msgspec.defstruct(
        "Record",
        [(f"f{at}", _struct(inner) if isinstance(inner, tuple) else inner) for at, (_, inner) in enumerate(keys)],
        rename={f"f{at}": key for at, (key, _) in enumerate(keys)},
        forbid_unknown_fields=True,
        gc=False,
    )
