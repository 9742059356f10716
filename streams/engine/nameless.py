"""Streams whose key is no name: no UTF-8 text, empty, too long, or with a NUL. Says how such a key is written; no row
can hold one, so no limit names it, and no sweep trims it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

KEPT = 100  # the longest
SHOWN = 64  # bytes of a key
UNKNOWN_FIRST = float("inf")


@dataclass(frozen=True, slots=True)
class Nameless:
    """`key` as redis-cli takes it at its prompt. `length`, `bytes`: as the scan of `seen_at` (ISO 8601) found them;
    None is unknown."""

    key: str
    length: int | None
    bytes: int | None
    seen_at: str


@dataclass(frozen=True, slots=True)
class NamelessFound:
    """The `longest`, and how many `more` there are. False without any."""

    longest: tuple[Nameless, ...] = ()
    more: int = 0

    def __len__(self) -> int:
        return len(self.longest) + self.more


def quoted(key: bytes) -> str:
    r"""b'\xffa' → "\xffa", the quotes included: redis-cli's own spelling. A long key is cut, and told by its digest."""
    if len(key) > SHOWN:
        return f"{quoted(key[:SHOWN])}… ({len(key):,} bytes, SHA-256 {sha256(key).hexdigest()[:12]}…)"
    return '"' + "".join(map(_sign, key)) + '"'


def _sign(byte: int) -> str:
    sign = chr(byte)
    if sign in '"\\':
        return f"\\{sign}"
    return sign if " " <= sign <= "~" else f"\\x{byte:02x}"


def as_record(met: Iterable[Nameless], *, before: Iterable[Nameless] = ()) -> dict[str, Any]:
    """What a row keeps of them: the longest, and how many more there are. `before`: those known, unless met again."""
    found = {one.key: one for one in (*before, *met)}
    longest = sorted(found.values(), key=lambda one: (-_length(one), one.key))[:KEPT]
    return {"more": len(found) - len(longest), "longest": [asdict(one) for one in longest]} if found else {}


def from_record(record: Mapping[str, Any], *, within: timedelta, now: datetime) -> NamelessFound:
    """Those that a scan met since, however long ago the last one was."""
    kept = (Nameless(**one) for one in record.get("longest", ()))
    longest = tuple(one for one in kept if now - datetime.fromisoformat(one.seen_at) < within)
    return NamelessFound(longest, record["more"] if longest else 0)


def _length(one: Nameless) -> float:
    return UNKNOWN_FIRST if one.length is None else one.length
