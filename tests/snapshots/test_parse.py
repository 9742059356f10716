"""The fast JSON parser reads what the standard library reads, and refuses what that refuses."""

from __future__ import annotations

import json

import pytest

from snapshots.engine.source import parse


@pytest.mark.parametrize(
    "text",
    [
        b"18446744073709551615",
        b"18446744073709551616",
        b"-9223372036854775808",
        b"-9223372036854775809",
        b'[1, {"a": 99999999999999999999}]',
        b"1755612345678901234",
        b"0.12345678901234567890123",
        b"1" * 4_000,
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"-0.0",
        b"1.0",
        b"5e-324",
        b'{"a":1,"b":2,"a":3}',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\xc3\xb1 \\u2028 \\ud83d\\udcc8"',
        b"\xef\xbb\xbf{}",
        '{"a": "ñ"}'.encode("utf-16"),
    ],
)
def test_parse_says_what_json_says(text: bytes) -> None:
    found, expected = parse(text), json.loads(text)
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("text", [b"", b"{", b"[1] 2", b'"\xff"', b"\x00", b"1" * 5_000, b'"\n"', b"[" * 100_000])
def test_parse_refuses_what_json_refuses(text: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)) as expected:
        json.loads(text)
    with pytest.raises(expected.type):
        parse(text)
