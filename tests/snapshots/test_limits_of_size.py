"""100,000 tickers go through; what claims more than a reader's memory is refused before it takes it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import zstandard

from snapshots.engine import chain, codec, frame
from snapshots.engine.column import NULL, Column
from snapshots.engine.delta import Delta, apply
from snapshots.engine.errors import DocumentUnreadable, Unpublishable
from snapshots.engine.state import MAX_CELLS, State, to_records
from tests.snapshots import generators
from tests.snapshots.chains import build, document, follow

HEADER: dict[str, Any] = {"v": 1, "kind": "full", "name": "n", "epoch": "e", "seq": 1, "base": 1, "ts": 0}
HEADER |= {"profile": "exact", "checksum": "0"}


def test_a_hundred_thousand_tickers() -> None:
    records: dict[str, Any] = {
        f"T{number}": {"price": number / 100, "volume": number * 7, "day": {"o": number / 4, "v": None}}
        for number in range(100_000)
    }
    first = build(None, records)
    moved = {**records, **{f"T{number}": {**records["T5"], "price": number} for number in range(0, 100_000, 3)}}
    del moved["T99999"]
    second = build(first.published, moved)
    reader = follow(follow(None, first), second)
    assert (first.kind, second.kind, reader.state.tickers) == ("full", "delta", 99_999)
    assert to_records(reader.state) == moved


def bomb(fill: bytes, size: int) -> bytes:
    """A frame of a few KB that holds `size` bytes of `fill`."""
    compressor = zstandard.ZstdCompressor(level=1, write_content_size=True).compressobj(size=size)
    some = fill * (2**20 // len(fill))
    return b"".join(compressor.compress(some) for _ in range(size // len(some))) + compressor.flush()


def packed(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_content_size=True).compress(text)


def lying(size: int) -> bytes:
    """A frame whose header says `size`, and which holds 8 MB."""
    frame = bytearray(zstandard.ZstdCompressor(level=1, write_content_size=True).compress(b" " * 2**23))
    at = frame.index((2**23).to_bytes(4, "little"))
    frame[at : at + 4] = size.to_bytes(4, "little")
    return bytes(frame)


def claiming() -> bytes:
    """200,000 symbols and 4,000 columns without a cell: 3 MB that would be 800 million cells."""
    symbols = [str(number) for number in range(200_000)]
    columns = {str(number): {"rows": [], "values": []} for number in range(4_000)}
    return orjson.dumps({**HEADER, "symbols": symbols, "columns": columns})


BOMBS: dict[str, Callable[[], bytes]] = {
    "1 GiB of spaces": lambda: bomb(b" ", 2**30),
    "1 GiB of brackets": lambda: bomb(b"[", 2**30),
    "60 MiB of brackets": lambda: bomb(b"[", 60 * 2**20),
    "60 MiB of empty lists": lambda: packed(b'{"symbols":[' + b"[]," * (20 * 2**20) + b"[]]}"),
    "60 MiB of small objects": lambda: packed(b'{"symbols":[' + b'{"":0},' * (60 * 2**20 // 7) + b"[]]}"),
    "60 MiB of numbers": lambda: packed(b'{"symbols":[' + b"300," * (15 * 2**20) + b"0]}"),
    "60 MiB of strings": lambda: packed(b'{"symbols":[' + b'"\xc3\xb1",' * (12 * 2**20) + b"0]}"),
    "says 4 GB": lambda: lying(2**32 - 1),
    "says 60 MB": lambda: lying(60_000_000),
    "says 1 byte": lambda: lying(1),
    "columns without cells": claiming,
    "a difference of a million digits": lambda: b'{"v":1,"d":' + b"9" * 1_000_000 + b"}",
}
ROOM = 1_000 * 2**20  # of address space: what Python, numpy and libraries map, and MAX_PARSED_BYTES


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_bounded_memory(name: str, repository: Any, tmp_path: Any) -> None:
    """In a process that may not have more."""
    path = tmp_path / "document"
    path.write_bytes(BOMBS[name]())
    assert path.stat().st_size < 8_000_000
    code = """
import resource, sys
from pathlib import Path
from snapshots.engine import chain, codec, frame
from snapshots.engine.errors import DocumentUnreadable
stored = Path(sys.argv[1]).read_bytes()
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
try:
    chain.open_full(codec.read(frame.unpack(stored)))
except DocumentUnreadable as error:
    print("refused:", str(error)[:100])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(ROOM)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        env={"OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stdout.startswith("refused:"), done.stderr[-500:]


def test_a_writer_refuses_what_no_reader_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {f"f{number}": 1 for number in range(4_000)}
    state = build(None, {"A": wide}).published.state
    more = State(
        symbols=[str(number) for number in range(MAX_CELLS // 4_000)],
        columns={"f0": Column.filled(MAX_CELLS // 4_000, NULL)},
        row_of={str(number): number for number in range(MAX_CELLS // 4_000)},
    )
    with pytest.raises(Unpublishable, match=r"8,389 symbols of 4,000 fields are more than 33,554,432 cells"):
        apply(state, delta=Delta(added=more))
    monkeypatch.setattr(frame, "MAX_DOCUMENT_BYTES", 1_000)
    with pytest.raises(Unpublishable, match=r"a document of [\d,]+ bytes, and readers read 1,000 at most"):
        build(None, {str(number): {"price": number} for number in range(200)})


def test_truncated_at_any_byte() -> None:
    first = build(None, generators.market(5, tickers=20))
    assert first.full is not None
    stored = first.full.stored
    for length in range(len(stored)):
        with pytest.raises(DocumentUnreadable):
            chain.open_full(codec.read(frame.unpack(stored[:length])))
    assert chain.open_full(document(first.full)) == first.published
