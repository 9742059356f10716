"""Reads records out of the bytes of a source, and finds which of them changed. Fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from snapshots.engine.errors import SnapshotError
from snapshots.engine.shape import MISFITS, Shape, shape_of
from snapshots.engine.state import State
from snapshots.engine.table import PORTION, Table, tabulate

Field: TypeAlias = tuple[bytes, bytes]  # of a hash: symbol, JSON

SYMBOL_FIELDS = ("symbol", "ticker")
SAMPLE = 16  # records that a shape is learnt from
_ZERO_FOR_DIGIT = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))


class SourceUnreadable(SnapshotError):
    """A source without a record that can be published; the message names it."""


@dataclass(frozen=True)
class Changes:
    """`refused`: symbol → why; they stay as they were published last, and are tried again at the next tick.

    `raw`: what was read and need not be parsed again while it stays the same.
    """

    upserts: State
    removals: list[str]
    refused: dict[str, str] = field(default_factory=dict)
    raw: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def refusals(self) -> str:
        """The sentence for the build's row; "" if all is well."""
        if not self.refused:
            return ""
        reasons = list(self.refused.values())
        more = f" And {len(reasons) - 3} more." if len(reasons) > 3 else ""
        return f"{len(reasons)} kept as published last: {' '.join(reasons[:3])}{more}"


def changes_of_fields(
    fields: Mapping[bytes, bytes], *, raw_before: Mapping[bytes, bytes], published: Mapping[str, int], source: str
) -> Changes:
    """`fields`: symbol → JSON; only values that differ from `raw_before` are parsed. Raises SourceUnreadable."""
    table = Table()
    refused: dict[str, str] = {}
    changed = [field for field in fields.items() if raw_before.get(field[0]) != field[1]]
    shape, left = _shape_of(changed), []
    for portion in _portions(changed):
        misfits = portion if shape is None else _of_shape(table, shape, portion)
        left += misfits
        if len(misfits) * 2 > len(portion):
            shape = _shape_of(misfits)
    for portion in _portions(left):
        records: dict[str, Any] = {}
        for key, value in portion:
            try:
                records[key.decode()] = parse(value)
            except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
                refused[_symbol(key)] = f"{_symbol(key)}: not JSON: {error}."
        table.add(records)
    refused |= table.refused
    if refused:
        refused = {symbol: refused[symbol] for symbol in map(_symbol, fields) if symbol in refused}
        if len(refused) == len(fields):
            raise SourceUnreadable(f"{source}: no record can be published. {next(iter(refused.values()))}")
    known = set(map(_symbol if refused else bytes.decode, fields))
    removals = list(published.keys() - known)
    raw = {key: value for key, value in fields.items() if _symbol(key) not in refused} if refused else dict(fields)
    return Changes(upserts=table.state(), removals=removals, refused=refused, raw=raw)


def _portions(fields: list[Field]) -> Iterator[list[Field]]:
    return (fields[at : at + PORTION] for at in range(0, len(fields), PORTION))


def _shape_of(fields: list[Field]) -> Shape | None:
    """Of some of them; what is no JSON says nothing."""
    records = []
    for _, value in fields[:: len(fields) // SAMPLE + 1]:
        with suppress(ValueError, RecursionError):
            records.append(loads(value))
    return shape_of(records)


def _of_shape(table: Table, shape: Shape, portion: list[Field]) -> list[Field]:
    """Adds those of the portion that have the shape, and returns the others."""
    symbols, found, left = [], [], []
    for pair in portion:
        try:
            found.append(shape.read(pair[1]))
            symbols.append(pair[0].decode())
        except MISFITS:
            left.append(pair)
            del found[len(symbols) :]
    columns = shape.columns(found) if found else {}
    return left if columns is not None and table.add_columns(symbols, columns) else portion


def _symbol(key: bytes) -> str:
    return key.decode(errors="backslashreplace")


def parse(text: bytes) -> Any:
    """As json.loads, in a fifth of the time. Raises ValueError and RecursionError as it does."""
    return json.loads(text) if has_long_integer(text) else loads(text)


def has_long_integer(text: bytes) -> bool:
    """Whether an integer may be beyond 64 bits, of which orjson makes a double.

    No integer of 64 bits has 20 digits but some unsigned, or a sign and 19 but a few.
    """
    digits = text.translate(_ZERO_FOR_DIGIT)
    return b"0" * 20 in digits or b"-" + b"0" * 19 in digits


def loads(text: bytes) -> Any:
    """orjson refuses NaN, lone surrogates and a byte order mark, which json takes: these texts are left to json."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def changes_of_document(document: bytes, *, published: Mapping[str, int], source: str) -> Changes:
    """A JSON object symbol → record, or a list of records that name their symbol. Raises SourceUnreadable."""
    try:
        value = parse(document)
    except (ValueError, RecursionError) as error:
        raise SourceUnreadable(f"{source}: not JSON: {error}.") from error
    return changes_of_records(value, published=published, source=source)


def changes_of_records(value: Any, *, published: Mapping[str, int], source: str) -> Changes:
    """Raises SourceUnreadable."""
    records = _by_symbol(value, source) if isinstance(value, list) else value
    if not isinstance(records, Mapping):
        raise SourceUnreadable(
            f"{source}: a {type(value).__name__}, neither an object by symbol nor a list of records."
        )
    upserts, refused = tabulate({str(symbol): record for symbol, record in records.items()})
    if refused and not upserts.tickers:
        raise SourceUnreadable(f"{source}: no record can be published. {next(iter(refused.values()))}")
    removals = [symbol for symbol in published if symbol not in upserts.row_of and symbol not in refused]
    return Changes(upserts=upserts, removals=removals, refused=refused)


def _by_symbol(records: list[Any], source: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, record in enumerate(records):
        named = [record.get(name) for name in SYMBOL_FIELDS] if isinstance(record, dict) else []
        symbol = next((name for name in named if isinstance(name, str)), None)
        if symbol is None:
            raise SourceUnreadable(f"{source}: record {number} names no {' or '.join(SYMBOL_FIELDS)}.")
        if symbol in found:
            raise SourceUnreadable(f"{source}: {symbol} is in the list twice.")
        found[symbol] = record
    return found
