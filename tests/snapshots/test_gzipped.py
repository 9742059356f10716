"""Texts deflated apart are one gzip member together; what is kept is made once, and bounded."""

from __future__ import annotations

import gzip
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshots.engine import gzipped
from snapshots.services.kept import Kept


@given(st.lists(st.binary(max_size=300), max_size=8), st.sampled_from([1, 6, 9]))
def test_joined_parts_are_one_member_with_all_texts(texts: list[bytes], level: int) -> None:
    joined = gzipped.join(gzipped.deflate(text, level=level) for text in texts)
    assert gzip.decompress(joined) == b"".join(texts)  # compares crc and length, too
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    reader.decompress(joined)
    assert reader.eof and reader.unused_data == b""


def test_what_is_asked_for_while_it_is_made_is_made_once() -> None:
    kept, made, asked = Kept(max_bytes=100), [], threading.Barrier(4)

    def make() -> bytes:
        made.append(threading.get_ident())
        return b"value"

    def ask(_: int) -> bytes:
        asked.wait()
        return kept.get("key", make)

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(ask, range(4))) == {b"value"}
    assert len(made) == 1


def test_an_error_is_told_to_all_and_not_kept() -> None:
    kept = Kept(max_bytes=100)

    def fail() -> bytes:
        raise ValueError("not this time")

    with pytest.raises(ValueError, match="not this time"):
        kept.get("key", fail)
    assert kept.get("key", lambda: b"now") == b"now"


def test_the_oldest_go_when_the_bound_is_reached_and_giants_are_not_kept() -> None:
    kept = Kept(max_bytes=10)
    for key in "abc":
        kept.get(key, lambda: b"1234")
    assert (kept.find("a"), kept.find("b"), kept.find("c")) == (None, b"1234", b"1234")
    kept.find("b")  # asked for last, so it stays
    kept.put("d", b"1234")
    assert (kept.find("b"), kept.find("c"), kept.find("d")) == (b"1234", None, b"1234")
    assert kept.get("giant", lambda: b"x" * 11) == b"x" * 11
    assert (kept.find("giant"), kept.find("b")) == (None, b"1234")
    kept.put("b", b"12345678901")
    assert kept.find("b") is None
