"""What a stream is like at one moment, as values. Asks no server; see store.read_states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from streams.engine.ids import parse_id

# Ids are milliseconds only where the server made them up: before September 2001 they are somebody's own numbers.
EARLIEST_MS = 10**12
CLOCKS_APART_MS = 24 * 3600 * 1000
_OF_A_GROUP = 5  # values, in what read_state.lua answers


@dataclass(frozen=True, slots=True)
class GroupState:
    """A consumer group. `lag` counts entries in the stream that it has not been given; None is unknown, never 0.

    `missed`: entries that went before it was given them, as the server counts: on some servers all there ever were, on
    others since it last was given one. None: the server can't say.
    """

    name: str
    lag: int | None
    pending: int
    consumers: int
    last_delivered_id: str
    missed: int | None = None


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """`idle`: since it last asked. `inactive`: since it last was given something; None where unknown (before 7.2)."""

    name: str
    pending: int
    idle: timedelta
    inactive: timedelta | None


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """Given to a consumer `delivered` times, last `idle` ago, and not acknowledged. The entry itself may be gone."""

    id: str
    consumer: str
    idle: timedelta
    delivered: int


@dataclass(frozen=True, slots=True)
class GroupDetail:
    """`consumers`: those with most pending first, not all of `consumer_count`. `pending`: the oldest, not all."""

    name: str
    consumer_count: int
    consumers: tuple[ConsumerState, ...]
    pending: tuple[PendingEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """`bytes` is the server's estimate (MEMORY USAGE); `entries_added` is None before Redis 7.

    `newest_entry_bytes`: the mean of the newest few, None where it was not asked for. `server_ms`: the server's clock.
    """

    stream: str
    exists: bool = False
    length: int = 0
    bytes: int | None = None
    entries_added: int | None = None
    first_id: str | None = None
    last_id: str | None = None
    groups: tuple[GroupState, ...] = ()
    newest_entry_bytes: int | None = None
    server_ms: int | None = None

    @property
    def oldest_age(self) -> timedelta | None:
        """Of the first entry, by the server's clock. None where there is none, or its id is somebody's own number."""
        if self.first_id is None or self.server_ms is None or not self.length:
            return None
        written_ms = parse_id(self.first_id).ms
        if written_ms < EARLIEST_MS or written_ms > self.server_ms + CLOCKS_APART_MS:
            return None
        return timedelta(milliseconds=max(0, self.server_ms - written_ms))


def lag_of(
    said: int | None,
    *,
    length: int,
    last_delivered: tuple[int, int],
    first: tuple[int, int] | None,
    last: tuple[int, int] | None,
) -> int | None:
    """The lag of a group, corrected by what is certain.

    XINFO GROUPS counts entries that were trimmed unread, can stay wrong after them (Redis 7.0), says null
    for a group that began in the middle, and on 6.2 says nothing at all.
    """
    if length == 0 or (last is not None and last_delivered >= last):
        return 0
    if first is not None and last_delivered < first:
        return length
    return None if said is None else min(said, length)


def state_from_reply(stream: str, *, reply: Sequence[Any] | None, server_ms: int | None = None) -> StreamState:
    """The value of what read_state.lua answers. `server_ms`: where the answer does not say the time."""
    if not reply:
        return StreamState(stream=stream)
    length, size, entries_added, first, last, groups, newest_bytes, time = reply
    first_place, last_place = _place(first) if first else None, _place(last)
    each: list[Iterator[Any]] = [iter(groups)] * _OF_A_GROUP
    return StreamState(
        stream=stream,
        exists=True,
        length=length,
        bytes=size,
        entries_added=entries_added,
        first_id=text(first) if first else None,
        last_id=text(last),
        groups=tuple(
            [
                # Most have read all: what there is to compute of the others takes twice as long.
                GroupState(text(values[0]), 0, values[2], values[1], text(last), values[4])
                if values[3] == last
                else _group(values, length, first_place, last_place)
                for values in zip(*each, strict=True)
            ]
        ),
        newest_entry_bytes=newest_bytes,
        server_ms=int(time[0]) * 1000 + int(time[1]) // 1000 if time else server_ms,
    )


def _group(values: Sequence[Any], length: int, first: tuple[int, int] | None, last: tuple[int, int]) -> GroupState:
    name, consumers, pending, delivered, said = values
    place = _place(delivered)
    lag = lag_of(said, length=length, last_delivered=place, first=first, last=last)
    # In between, nobody knows how much of what the server counts is still there.
    at_an_end = length == 0 or place >= last or (first is not None and place < first)
    missed = said - lag if said is not None and lag is not None and at_an_end else None
    return GroupState(text(name), lag, pending, consumers, text(delivered), missed)


def _place(id: bytes | str) -> tuple[int, int]:
    """An id as the server writes it, with a fifth of what parse_id does for those of others."""
    ms, seq = id.split(b"-" if isinstance(id, bytes) else "-")  # type: ignore[arg-type]
    return int(ms), int(seq)


def text(name: bytes | str) -> str:
    """A name as it can be shown and stored: a group may be called anything. PostgreSQL stores no NUL."""
    said = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    return said.replace("\0", r"\x00")
