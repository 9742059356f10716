"""Entries as a page shows them: JSON set out in lines, text cut short, binary as its size. Fetches none."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from streams.engine.ids import parse_id
from streams.engine.state import EARLIEST_MS, text

LARGEST_SHOWN = 100_000  # bytes; a larger value is not even fetched
CHARACTERS_SHOWN = 4000
LINE = 100  # characters of a value before it is unfolded
LATEST_MS = 253_402_300_799_999  # the end of the year 9999, and of datetime

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Kind = Literal["json", "text", "binary", "large"]


@dataclass(frozen=True, slots=True)
class Value:
    """`shown`: at most CHARACTERS_SHOWN, and `cut` if that is not all; empty if binary or large. `line`: its start."""

    kind: Kind
    bytes: int
    shown: str
    line: str
    cut: bool

    @property
    def folded(self) -> bool:
        return self.shown != self.line


@dataclass(frozen=True, slots=True)
class Entry:
    """`at`: the time in its id, None where ids are no times. `field_count` may be more than there are `fields`."""

    id: str
    at: datetime | None
    field_count: int
    fields: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Newest first. `older`, `newer`: the id to page on from, None at that end."""

    entries: tuple[Entry, ...]
    older: str | None
    newer: str | None


def readable(raw: bytes | None, *, size: int) -> Value:
    """`raw` None: it was too large to fetch."""
    if raw is None:
        return Value("large", size, "", "", False)
    try:
        plain = raw.decode()
    except UnicodeDecodeError:
        return Value("binary", size, "", "", False)
    pretty = _pretty(plain)
    if pretty is None and CONTROL.search(plain):
        return Value("binary", size, "", "", False)
    whole = plain if pretty is None else pretty
    shown = whole[:CHARACTERS_SHOWN]
    return Value("text" if pretty is None else "json", size, shown, _line(plain), len(whole) > len(shown))


def entry_from_reply(reply: Sequence[Any]) -> Entry:
    """The value of one entry of what read_entries.lua answers."""
    id, field_count, *fields = reply
    entry_id = parse_id(id)
    times = EARLIEST_MS <= entry_id.ms <= LATEST_MS
    return Entry(
        id=str(entry_id),
        at=datetime.fromtimestamp(entry_id.ms / 1000, tz=UTC) if times else None,
        field_count=field_count,
        fields=tuple((text(name), readable(raw, size=size)) for name, size, raw in fields),
    )


def _pretty(plain: str) -> str | None:
    """Only of objects and lists: a bare number or string reads well as it is."""
    if not plain.lstrip().startswith(("{", "[")):
        return None
    try:
        said = json.dumps(json.loads(plain), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return said.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair can't be sent to a browser


def _line(plain: str) -> str:
    begin = " ".join(plain[: 2 * LINE].split())
    return begin if len(begin) <= LINE and len(plain) <= 2 * LINE else begin[:LINE] + "…"
