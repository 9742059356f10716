"""Reads records out of the bytes of a source, and finds which of them changed. Fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from snapshots.engine.errors import SnapshotError
from snapshots.engine.state import State
from snapshots.engine.table import PORTION, Table, tabulate

SYMBOL_FIELDS = ("symbol", "ticker")
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
    raw: dict[str, bytes] = field(default_factory=dict)

    @property
    def refusals(self) -> str:
        """The sentence for the build's row; "" if all is well."""
        if not self.refused:
            return ""
        reasons = list(self.refused.values())
        more = f" And {len(reasons) - 3} more." if len(reasons) > 3 else ""
        return f"{len(reasons)} kept as published last: {' '.join(reasons[:3])}{more}"


def changes_of_fields(
    fields: Mapping[bytes, bytes], *, raw_before: Mapping[str, bytes], published: Mapping[str, int], source: str
) -> Changes:
    """`fields`: symbol → JSON; only values that differ from `raw_before` are parsed. Raises SourceUnreadable."""
    table = Table()
    records: dict[str, Any] = {}
    refused: dict[str, str] = {}
    raw: dict[str, bytes] = {}
    for key, value in fields.items():
        symbol = key.decode(errors="backslashreplace")
        raw[symbol] = value
        if raw_before.get(symbol) == value:
            continue
        try:
            key.decode()
            records[symbol] = parse(value)
        except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
            refused[symbol] = f"{symbol}: not JSON: {error}."
        if len(records) == PORTION:
            table.add(records)
            records = {}
    table.add(records)
    refused |= table.refused
    refused = {symbol: refused[symbol] for symbol in raw if symbol in refused} if refused else refused
    if refused and len(refused) == len(raw):
        raise SourceUnreadable(f"{source}: no record can be published. {next(iter(refused.values()))}")
    for symbol in refused:
        del raw[symbol]
    removals = [symbol for symbol in published if symbol not in raw and symbol not in refused]
    return Changes(upserts=table.state(), removals=removals, refused=refused, raw=raw)


def parse(text: bytes) -> Any:
    """As json.loads, in a fifth of the time. Raises ValueError and RecursionError as it does.

    orjson makes a double of an integer beyond 64 bits, and refuses NaN, lone surrogates and a byte order mark, which
    json takes: these texts are left to json. No integer of 64 bits has 20 digits but some unsigned, or a sign and 19
    but a few.
    """
    digits = text.translate(_ZERO_FOR_DIGIT)
    if b"0" * 20 not in digits and b"-" + b"0" * 19 not in digits:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
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
