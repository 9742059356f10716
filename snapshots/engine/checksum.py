"""Sums up a whole state, from bytes that Python and JavaScript make alike. Detects faults, not forgers.

column   = CRC-32 of its numbers as little-endian doubles, one a row (0 for a cell that is no number), continued
           with the UTF-16LE text of the other cells, each `row kind text newline`: n null, s string, j canonical JSON
symbols  = CRC-32 of the UTF-16LE text of all rows, each `+symbol newline`, a removed row `- newline`
checksum = symbols + Σ CRC-32(UTF-16LE of `name newline column-in-8-hex-digits`), modulo 2³², as 8 hex digits
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zlib import crc32


def symbols_digest(symbols: Iterable[str | None]) -> int:
    return crc32(utf16("".join(["-\n" if symbol is None else f"+{symbol}\n" for symbol in symbols])))


def column_digest(numbers: memoryview, *, others: bytes) -> int:
    """`others`: the lines of the cells that are no numbers, as UTF-16LE."""
    return crc32(others, crc32(numbers))


def checksum(symbols: int, *, columns: Mapping[str, int]) -> str:
    """Of digests."""
    total = symbols + sum(crc32(utf16(f"{name}\n{digest:08x}")) for name, digest in columns.items())
    return f"{total & 0xFFFFFFFF:08x}"


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")
