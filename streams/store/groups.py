"""Reads what groups of one stream still need, and who reads in them. Acknowledges and claims nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from streams.engine.loss import PENDING_COUNTED, Cut
from streams.engine.state import ConsumerState, GroupDetail, PendingEntry, StreamState, text
from streams.lua import script
from streams.store.answers import answers_of, in_lots
from streams.store.server import Client, Unanswered, error_of_one, run, translated

# Half a megabyte stepped over keeps other clients waiting for about 2 ms.
BYTES_PER_STEP = 512 * 1024
ENTRIES_PER_STEP = 1000
STEPS = 40
CONSUMERS_SHOWN = 100
PENDING_SHOWN = 20


def read_cut(client: Client, state: StreamState, *, keep: int) -> Cut | None:
    """Where all but the newest `keep` entries end, and what lies pending before. None where that is too far to go.

    The server has no rank: it is stepped along the stream from its nearer end.
    """
    gone = state.length - keep
    if gone <= 0 or state.first_id is None or state.last_id is None:
        return None
    if gone <= keep:
        last_removed = _nth(client, state, "XRANGE", "-", "+", gone)
    else:
        last_removed = _nth(client, state, "XREVRANGE", state.last_id, "-", keep + 1)
    if last_removed is None:
        return None
    pending = {}
    with translated(state.stream):
        for group in state.groups:
            # From the first id on: what is pending before it is gone already, and stays pending for ever.
            span = (raw_name(client, state.stream, group.name), state.first_id, last_removed, PENDING_COUNTED)
            pending[group.name] = (
                int(run(client, script("count_pending"), keys=(state.stream,), args=span)) if group.pending else 0
            )
    return Cut(last_removed, pending)


def count_pending_gone(client: Client, state: StreamState, names: Sequence[str], *, since: str) -> dict[str, int]:
    """Group → how many of the entries from `since` on it has pending that are gone from the old end.

    Up to PENDING_COUNTED. A group that is gone is missing. Raises StoreError.
    """
    if not names:
        return {}
    before_first = f"({state.first_id}" if state.first_id else "+"
    with translated(state.stream):
        calls = [
            (state.stream, (raw_name(client, state.stream, name), since, before_first, PENDING_COUNTED))
            for name in names
        ]
        counts = list(answers_of(client, script("count_pending"), in_lots(calls)))
        if away := next((one for one in counts if isinstance(one, Unanswered)), None):
            raise error_of_one(away, state.stream)
        return {name: count for name, count in zip(names, counts, strict=True) if isinstance(count, int)}


def read_oldest_pending(client: Client, state: StreamState) -> dict[str, str]:
    """Group → the first id that it has pending and that still exists; without those that have none."""
    oldest = {}
    with translated(state.stream):
        for group in state.groups:
            if group.pending and state.first_id:
                name = raw_name(client, state.stream, group.name)
                if found := client.xpending_range(state.stream, name, min=state.first_id, max="+", count=1):
                    oldest[group.name] = text(found[0]["message_id"])
    return oldest


def read_group(client: Client, stream: str, name: str, *, consumer: str | None = None) -> GroupDetail:
    """Who reads in it, and its oldest pending entries, or those of one `consumer`. Not for every poll.

    XINFO CONSUMERS can't be bounded: 2,000 of them take 19 ms.
    """
    with translated(stream):
        group = raw_name(client, stream, name)
        found: list[dict[str, Any]] = client.xinfo_consumers(stream, group)
        raw = {text(one["name"]): one["name"] for one in found}
        pending = (
            []
            if consumer is not None and consumer not in raw
            else client.xpending_range(
                stream, group, min="-", max="+", count=PENDING_SHOWN, consumername=raw[consumer] if consumer else None
            )
        )
    busiest = sorted(found, key=lambda one: (-int(one["pending"]), int(one["idle"])))[:CONSUMERS_SHOWN]
    return GroupDetail(
        name=name,
        consumer_count=len(found),
        consumers=tuple(
            ConsumerState(text(one["name"]), int(one["pending"]), _ms(one["idle"]), _inactive(one)) for one in busiest
        ),
        pending=tuple(
            PendingEntry(
                text(one["message_id"]),
                text(one["consumer"]),
                _ms(one["time_since_delivered"]),
                int(one["times_delivered"]),
            )
            for one in pending
        ),
    )


def _nth(client: Client, state: StreamState, command: str, start: str, end: str, number: int) -> str | None:
    step = max(1, min(ENTRIES_PER_STEP, BYTES_PER_STEP * state.length // (state.bytes or BYTES_PER_STEP)))
    if number > step * STEPS:
        return None
    code, left, here = script("step"), number, start
    with translated(state.stream):
        while True:
            passed, last = run(client, code, keys=(state.stream,), args=(command, here, end, min(step, left)))
            left -= passed
            if left == 0:
                return text(last)
            if passed == 0:
                return None  # trimmed meanwhile
            here = f"({text(last)}"


def raw_name(client: Client, stream: str, name: str) -> bytes:
    """A group's name as the server has it. A backslash may stand for a byte that is no text."""
    if "\\" in name:
        for group in client.xinfo_groups(stream):
            if text(group["name"]) == name:
                return bytes(group["name"])
    return name.encode()


def _inactive(consumer: dict[str, Any]) -> timedelta | None:
    """-1: never was given anything."""
    inactive = consumer.get("inactive", -1)
    return None if inactive < 0 else _ms(inactive)


def _ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=max(0, milliseconds))
