"""Joins texts that were deflated apart into one gzip member, without deflating them again. Decides nothing.

Browsers stop at the end of a first gzip member (Chromium 156 does), so members cannot simply follow one another, as
zstd frames can.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time: the same bytes every time
END = b"\x03\x00"  # an empty last block
POLYNOMIAL = 0xEDB88320  # of CRC-32, its bits reversed as zlib has them
ONE = 0x80000000


@dataclass(frozen=True)
class Deflated:
    """Whole blocks of deflate that refer to nothing before them. `shift` is x^(8·length) modulo the polynomial."""

    blocks: bytes
    crc: int
    length: int
    shift: int


def deflate(text: bytes, *, level: int) -> Deflated:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    blocks = compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH)
    return Deflated(blocks, zlib.crc32(text), len(text), _power(8 * len(text)))


def join(parts: Iterable[Deflated]) -> bytes:
    """One gzip member with the texts of all parts, one after the other."""
    blocks, crc, length = [HEADER], 0, 0
    for part in parts:
        blocks.append(part.blocks)
        crc = _product(crc, part.shift) ^ part.crc  # as zlib's crc32_combine, which Python does not offer
        length += part.length
    return b"".join([*blocks, END, struct.pack("<II", crc, length & 0xFFFFFFFF)])


def _product(left: int, right: int) -> int:
    """left · right modulo the polynomial; the highest bit is x⁰."""
    product, bit = 0, ONE
    while bit:
        if left & bit:
            product ^= right
        right = right >> 1 ^ POLYNOMIAL if right & 1 else right >> 1
        bit >>= 1
    return product


def _power(exponent: int) -> int:
    """x^exponent modulo the polynomial."""
    result, square = ONE, ONE >> 1
    while exponent:
        if exponent & 1:
            result = _product(result, square)
        square = _product(square, square)
        exponent >>= 1
    return result
