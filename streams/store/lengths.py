"""Reads the lengths of many streams, cheaply: no groups, no entries. See streams.py for whole states."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, TypeVar

from streams.store.answers import answers
from streams.store.server import Client, StreamError, error_of_one, translated

Key = TypeVar("Key", str, bytes)


class Length(NamedTuple):
    """`bytes`: None where it was not asked for. 0 entries may also mean that there is no such key."""

    length: int
    bytes: int | None


def read_lengths(
    client: Client, streams: Sequence[Key], *, sized: Collection[Key] = ()
) -> dict[Key, Length | StreamError]:
    """All in one round trip; a key that is no stream has its error as value. Raises StoreUnavailable.

    Of those `sized` also the bytes, by their five oldest nodes: a microsecond each, and off by as much as entries have
    changed in size since.
    """
    if not streams:
        return {}
    calls = [("XLEN", name) for name in streams] + [("MEMORY USAGE", name) for name in sized]
    with translated():
        replies = list(answers(client, [calls]))
    sizes = dict(zip(sized, replies[len(streams) :], strict=True))
    return {name: _length(str(name), reply, sizes.get(name)) for name, reply in zip(streams, replies, strict=False)}


def _length(stream: str, reply: Any, size: Any) -> Length | StreamError:
    if isinstance(reply, Exception):
        return error_of_one(reply, stream)
    return Length(reply, size if isinstance(size, int) else None)
