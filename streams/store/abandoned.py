"""Reads when groups were last used, and destroys one that stands as it was shown. Judges none; see engine.abandoned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from streams.lua import script
from streams.store.answers import answers_of, in_lots
from streams.store.groups import raw_name
from streams.store.server import Client, error_of_one, run, translated

Idle = dict[str, timedelta | None]


@dataclass(frozen=True, slots=True)
class GroupShown:
    """What a group stood at when somebody looked; `at_ms`: read_clock, before that."""

    last_delivered_id: str
    pending: int
    at_ms: int


def read_idle(client: Client, groups: Mapping[str, Sequence[str]]) -> dict[str, Idle]:
    """Stream → group → how long ago the last of its consumers asked, None where it has none; one round trip for all.

    A group that is gone is missing, and so are all of a stream that can't be read. Raises StoreError.
    """
    with translated():
        calls = [(stream, [raw_name(client, stream, name) for name in names]) for stream, names in groups.items()]
        replies = list(answers_of(client, script("read_idle"), in_lots(calls)))
    found: dict[str, Idle] = {}
    for (stream, names), reply in zip(groups.items(), replies, strict=True):
        if isinstance(reply, Exception):
            error_of_one(reply, stream)
            reply = [None] * len(names)
        found[stream] = {
            name: None if ms < 0 else timedelta(milliseconds=ms)
            for name, ms in zip(names, reply, strict=True)
            if ms is not None
        }
    return found


def read_clock(client: Client, stream: str) -> int:
    """Milliseconds by the server that holds the key: in a cluster each node has a clock of its own."""
    with translated(stream):
        seconds, micros = client.eval("return redis.call('TIME')", 1, stream)
    return int(seconds) * 1000 + int(micros) // 1000


def destroy_group(client: Client, stream: str, name: str, *, shown: GroupShown) -> bool | None:
    """True: it is gone. False: it moved, or one of its consumers asked, since it was `shown`. None: no such group."""
    with translated(stream):
        args = (raw_name(client, stream, name), shown.last_delivered_id, shown.pending, shown.at_ms)
        answer = run(client, script("destroy_group"), keys=(stream,), args=args)
    return None if answer is None else bool(answer)
