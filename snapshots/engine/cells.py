"""Turns a record into flat cells and back, exactly. Knows nothing of rows, documents or changes.

A cell is None, a string, a number, or `Json`: everything else, as its canonical text. So `==` between cells is exact
(True is not 1, [1] is not [true]) and needs no look at types.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from snapshots.engine.errors import Unpublishable

SAFE = 2**53 - 1  # JavaScript's Number.MAX_SAFE_INTEGER: beyond it a double skips integers
_SURROGATE = re.compile("[\ud800-\udfff]")


class Json(NamedTuple):
    """A boolean, a list, an empty object or an integer beyond ±SAFE, as text; the empty text is a missing field."""

    text: str


MISSING = Json("")
TRUE, FALSE, EMPTY_OBJECT = Json("true"), Json("false"), Json("{}")

Cell: TypeAlias = int | float | str | Json | None
Flat: TypeAlias = dict[str, Cell]
Record: TypeAlias = Mapping[str, Any]


def flatten(record: Record, *, symbol: str) -> Flat:
    """Leaves by dotted name. Whole numbers become int, −0 becomes 0. Raises Unpublishable, naming symbol and field."""
    if not isinstance(record, Mapping):
        raise Unpublishable(f"{symbol}: the record is a {type(record).__name__}, not an object.")
    cells: Flat = {}
    try:
        _flatten_into(cells, "", record)
    except Unpublishable as error:
        raise Unpublishable(f"{symbol}: {error}") from None
    except RecursionError:
        raise Unpublishable(f"{symbol}: the record is nested too deeply.") from None
    return cells


def _flatten_into(cells: Flat, prefix: str, node: Record) -> None:
    for key, value in node.items():
        name = name_under(prefix, key)
        if isinstance(value, Mapping) and value:
            _flatten_into(cells, name + ".", value)
        else:
            cells[name] = cell_of(value, name)


def name_under(prefix: str, key: Any) -> str:
    """Raises Unpublishable for a key that is no string."""
    if not isinstance(key, str):
        raise Unpublishable(f"the key {key!r} under {prefix.rstrip('.') or 'the record'!r} is not a string.")
    return prefix + key.replace("\\", "\\\\").replace(".", "\\.")


def cell_of(value: Any, name: str) -> Cell:
    """The cell of a leaf; an IntEnum is the number that it is. Raises Unpublishable, naming the field."""
    if value is None:
        return None
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if -SAFE <= value <= SAFE else Json(_integer_text(value, name))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unpublishable(f"{name} is {value}; JSON has no such number.")
        return int(value) if value.is_integer() and -SAFE <= value <= SAFE else float(value)
    if isinstance(value, list | tuple):
        try:
            return Json(canonical(value))
        except Unpublishable as error:
            raise Unpublishable(f"{name} holds {error}") from None
    if isinstance(value, Mapping):
        return EMPTY_OBJECT
    raise Unpublishable(f"{name} is a {type(value).__name__}; JSON has no such value.")


def thaw(cell: Cell) -> Any:
    """The value that the cell stands for; not for MISSING."""
    return json.loads(cell.text) if isinstance(cell, Json) else cell


def integer_of(cell: Cell) -> int | None:
    """The whole number in the cell, whatever its size; None if it holds anything else."""
    if isinstance(cell, Json):
        return int(cell.text) if cell.text[:1] in "-0123456789" and cell.text else None
    return cell if isinstance(cell, int) else None


def cell_of_integer(value: int) -> Cell:
    return value if -SAFE <= value <= SAFE else Json(str(value))


def split_name(name: str) -> tuple[str, ...]:
    """The path that `flatten` made the dotted name from."""
    if "\\" not in name:
        return tuple(name.split("."))
    parts, characters = [""], iter(name)
    for character in characters:
        if character == ".":
            parts.append("")
        else:
            parts[-1] += next(characters) if character == "\\" else character
    return tuple(parts)


def unflatten(leaves: Iterable[tuple[tuple[str, ...], Cell]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for path, cell in leaves:
        node = record
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = thaw(cell)
    return record


def canonical(value: Any) -> str:
    """JSON text that Python and JavaScript write alike: RFC 8785, but doubles beyond ±SAFE in exponent form."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text if text.isascii() else _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if isinstance(value, int):
        return _integer_text(value, "")
    if isinstance(value, float):
        return _double_text(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise Unpublishable(f"the key {key!r}, which is not a string.")
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    raise Unpublishable(f"a {type(value).__name__}; JSON has no such value.")


def _integer_text(value: int, name: str) -> str:
    try:
        return int.__repr__(value)
    except ValueError:  # Python's own limit of 4,300 digits
        raise Unpublishable(f"{name or 'an integer'} has more than 4,300 digits.") from None


def _double_text(value: float) -> str:
    """What JavaScript's String(value) says, or value.toExponential() beyond ±SAFE."""
    if not math.isfinite(value):
        raise Unpublishable(f"{value}; JSON has no such number.")
    if value.is_integer() and -SAFE <= value <= SAFE:
        return str(int(value))
    parts = Decimal(float.__repr__(value)).as_tuple()
    assert isinstance(parts.exponent, int)
    digits = "".join(map(str, parts.digits))
    point = len(digits) + parts.exponent
    digits = digits.rstrip("0")
    sign = "-" if parts.sign else ""
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if 0 < point < len(digits):
        return f"{sign}{digits[:point]}.{digits[point:]}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"
