"""A reader of snapshots written from docs/snapshot-format.md alone: json, zlib, zstandard, nothing of this project.

As slow and as plain as can be: each record is kept apart, and the checksum is computed anew after every document.
"""

from __future__ import annotations

import json
import re
import struct
from decimal import Decimal
from itertools import accumulate
from typing import Any
from zlib import crc32

import zstandard

LARGEST = 2**53 - 1
LARGEST_DOCUMENT = 64 * 2**20
REMOVED = object()  # a row that is empty for ever
MISSING = object()  # no such field


class Unreadable(Exception):
    """No document of version 1."""


class Broken(Exception):
    """A document that does not follow, or a state that is not the writer's."""


class Reader:
    def __init__(self) -> None:
        self.epoch = self.base = self.seq = None
        self.rows: list[Any] = []  # symbols, or REMOVED
        self.columns: dict[str, list[Any]] = {}

    def take(self, stored: bytes) -> None:
        """Applies a document; the reader stays as it was if that fails."""
        before = self.epoch, self.base, self.seq, self.rows, self.columns
        self.rows, self.columns = list(self.rows), {name: list(cells) for name, cells in self.columns.items()}
        try:
            self._take(json.loads(unpack(stored)))
        except (Broken, Unreadable):
            self.epoch, self.base, self.seq, self.rows, self.columns = before
            raise
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, zstandard.ZstdError) as error:
            self.epoch, self.base, self.seq, self.rows, self.columns = before
            raise Unreadable(repr(error)) from error

    def _take(self, document: dict[str, Any]) -> None:
        if document["v"] != 1 or document["kind"] not in ("full", "delta"):
            raise Unreadable("another version")
        if document["kind"] == "full":
            self.rows, self.columns = [], {}
            self._append(document)
            self.base = document["seq"]
        else:
            if (document["epoch"], document["base"]) != (self.epoch, self.base) or document["seq"] != self.seq + 1:
                raise Broken("a gap")
            self._delta(document)
        self.epoch, self.seq = document["epoch"], document["seq"]
        if self.checksum() != document["checksum"]:
            raise Broken("checksum")

    def _delta(self, document: dict[str, Any]) -> None:
        for group in document["groups"]:
            rows = self._rows(group["rows"])
            for name, column in group.get("columns", {}).items():
                cells = self._column(name)
                for row, cell in zip(rows, changed(column, [cells[row] for row in rows]), strict=True):
                    cells[row] = cell
            for name in group.get("missing", []):
                cells = self._column(name)
                for row in rows:
                    cells[row] = MISSING
        for row in self._rows(document.get("remove", [])):
            self.rows[row] = REMOVED
            for cells in self.columns.values():
                cells[row] = 0
        if "add" in document:
            self._append(document["add"])
        if "reorder" in document:
            self._reorder(document["reorder"]["by"])
            self.base = document["seq"]

    def _append(self, table: dict[str, Any]) -> None:
        symbols = table["symbols"]
        if len({*symbols, *self.rows}) != len({*self.rows}) + len(symbols):
            raise Unreadable("a symbol twice")
        read = {name: column_of(column, len(symbols)) for name, column in table["columns"].items()}
        for name in read:
            self._column(name)
        self.rows += symbols
        for name, cells in self.columns.items():
            cells += read.get(name, [MISSING] * len(symbols))

    def _column(self, name: str) -> list[Any]:
        if name not in self.columns:
            self.columns[name] = [0 if symbol is REMOVED else MISSING for symbol in self.rows]
        return self.columns[name]

    def _rows(self, gaps: list[int]) -> list[int]:
        rows = rows_of(gaps)
        if rows and rows[-1] >= len(self.rows):
            raise Unreadable("no such row")
        return rows

    def _reorder(self, by: str | None) -> None:
        order = [row for row, symbol in enumerate(self.rows) if symbol is not REMOVED]
        if by is not None and by in self.columns:
            cells = self.columns[by]
            order.sort(key=lambda row: -cells[row] if is_double(cells[row]) else float("inf"))
        self.rows = [self.rows[row] for row in order]
        columns = {name: [cells[row] for row in order] for name, cells in self.columns.items()}
        self.columns = {name: cells for name, cells in columns.items() if any(cell is not MISSING for cell in cells)}

    def records(self) -> dict[str, Any]:
        found: dict[str, Any] = {symbol: {} for symbol in self.rows if symbol is not REMOVED}
        for name, cells in self.columns.items():
            *path, last = keys_of(name)
            for symbol, cell in zip(self.rows, cells, strict=True):
                if symbol is REMOVED or cell is MISSING:
                    continue
                node = found[symbol]
                for key in path:
                    node = node.setdefault(key, {})
                node[last] = cell
        return found

    def checksum(self) -> str:
        total = crc("".join("-\n" if symbol is REMOVED else f"+{symbol}\n" for symbol in self.rows))
        for name, cells in self.columns.items():
            digest = crc32(b"".join(struct.pack("<d", cell if is_double(cell) else 0) for cell in cells))
            digest = crc("".join(other(row, cell) for row, cell in enumerate(cells) if not is_double(cell)), digest)
            total += crc(f"{name}\n{digest:08x}")
        return f"{total % 2**32:08x}"


def keys_of(name: str) -> list[str]:
    keys, characters = [""], iter(name)
    for character in characters:
        if character == ".":
            keys.append("")
        else:
            keys[-1] += next(characters) if character == "\\" else character
    return keys


def unpack(stored: bytes) -> bytes:
    if not stored.startswith(b"\x28\xb5\x2f\xfd"):
        return stored
    size = zstandard.frame_content_size(stored)
    if not 0 <= size <= LARGEST_DOCUMENT:
        raise Unreadable("too large, or of unknown size")
    return zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)


def rows_of(gaps: list[int]) -> list[int]:
    if gaps and (gaps[0] < 0 or any(gap < 1 for gap in gaps[1:])):
        raise Unreadable("rows that do not ascend")
    return list(accumulate(gaps))


def column_of(column: Any, size: int) -> list[Any]:
    if isinstance(column, list):
        cells = [cell_of(cell) for cell in column]
    elif "rows" in column:
        rows = rows_of(column["rows"])
        cells = [MISSING] * size
        for row, cell in zip(rows, column_of(column["values"], len(rows)), strict=True):
            cells[row] = cell
    else:
        cells = [None if text is None else int(text) for text in column["big"]]
    if len(cells) != size:
        raise Unreadable("a column of another length")
    return cells


def changed(column: Any, old: list[Any]) -> list[Any]:
    if isinstance(column, list) or "v" not in column:
        return column_of(column, len(old))
    decimals = column["d"]
    if not 0 <= decimals <= 8:
        raise Unreadable("decimals")
    return [
        cell_of(step[0]) if isinstance(step, list) else moved(cell, step, 10**decimals)
        for cell, step in zip(old, column["v"], strict=True)
    ]


def moved(cell: Any, step: int, scale: int) -> Any:
    return cell + step if scale == 1 else whole((round(cell * scale) + step) / scale)


def whole(number: Any) -> Any:
    """1.0 is 1, and −0.0 is 0."""
    return int(number) if isinstance(number, float) and number.is_integer() and abs(number) <= LARGEST else number


def cell_of(cell: Any) -> Any:
    if isinstance(cell, list):
        return [whole_inside(item) for item in cell]
    if not isinstance(cell, dict):
        return whole(cell)
    root = [cell["value"]]
    for path in cell.get("big", []):
        node: Any = root
        *inner, last = [0, *path]
        for key in inner:
            node = node[key]
        node[last] = int(node[last])
    return whole_inside(root[0])


def whole_inside(value: Any) -> Any:
    if isinstance(value, list):
        return [whole_inside(item) for item in value]
    if isinstance(value, dict):
        return {key: whole_inside(item) for key, item in value.items()}
    return whole(value)


def is_double(cell: Any) -> bool:
    return isinstance(cell, float) or (isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) <= LARGEST)


def other(row: int, cell: Any) -> str:
    if cell is None:
        return f"{row}n\n"
    if isinstance(cell, str):
        return f"{row}s{cell}\n"
    return f"{row}j{'' if cell is MISSING else canonical(cell)}\n"


def crc(text: str, continued: int = 0) -> int:
    return crc32(text.encode("utf-16-le", "surrogatepass"), continued)


def canonical(value: Any) -> str:
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    return as_javascript(whole(value)) if isinstance(whole(value), float) else json.dumps(whole(value))


def as_javascript(number: float) -> str:
    """String(number), and number.toExponential() beyond ±(2^53 − 1): the shortest digits, which repr also finds."""
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + int(exponent)
    if -6 < point <= 0:
        text = "0." + "0" * -point + text
    elif 0 < point < len(text):
        text = f"{text[:point]}.{text[point:]}"
    else:
        text = f"{text[0]}{'.' if text[1:] else ''}{text[1:]}e{point - 1:+d}"
    return "-" * sign + text
