"""Reads whole streams' states, and trims them bite by bite. Decides nothing; see engine.plan."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence

from streams.engine.state import StreamState, state_from_reply
from streams.engine.trimming import SAFE_TRIM, Trimming, in_lots_of_bites
from streams.lua import script
from streams.store.abandoned import read_clock
from streams.store.answers import READS_AT_ONCE, KeyAndArgs, answers, answers_of, in_lots
from streams.store.cluster import is_cluster
from streams.store.server import Client, StreamError, Unanswered, error_of_one, translated

NODES_LOOKED_AT = 2000  # of the oldest; see read_state.lua, and safe_trim.lua, which says the bytes after a trim


def read_states(
    client: Client, streams: Sequence[str], *, newest_of: Collection[str] = ()
) -> dict[str, StreamState | StreamError]:
    """All streams in one round trip. One that can't be read has its error as value, and costs the others nothing.

    Of those in `newest_of` also how large a new entry is.
    """
    # To ask the time with each costs a twentieth; in a cluster each node has its own.
    apart = len(streams) > READS_AT_ONCE and not is_cluster(client)
    server_ms = read_clock(client, streams[0]) if apart else None
    plain, measured = (("", "no time"), ("newest", "no time")) if apart else ((), ("newest",))
    calls = ((name, measured if name in newest_of else plain) for name in streams)
    with translated():
        replies = answers_of(client, script("read_state"), in_lots(calls))
        return {
            name: error_of_one(reply, name)
            if isinstance(reply, Exception)
            else state_from_reply(name, reply=reply, server_ms=server_ms)
            for name, reply in zip(streams, replies, strict=True)
        }


def read_bytes(client: Client, streams: Sequence[str]) -> dict[str, int | None]:
    """How much memory each takes, as the server estimates it. None: it is gone, or can't be read."""
    calls = (("MEMORY USAGE", name, "SAMPLES", NODES_LOOKED_AT) for name in streams)
    with translated():
        sizes = answers(client, in_lots(calls))
        return {name: size if isinstance(size, int) else None for name, size in zip(streams, sizes, strict=True)}


def trim(client: Client, trimmings: Sequence[Trimming], *, until: float) -> None:
    """Sends one bite of each, and again of those that are not over, until all are or `time.monotonic()` passes `until`.

    Each of `trimmings` says what was removed of it, also before an error, and why the server would not. Raises
    StoreError where that concerns more than one stream.
    """
    while (left := [one for one in trimmings if not one.over]) and time.monotonic() < until:
        _one_bite_each(client, left, until=until)


def _one_bite_each(client: Client, trimmings: Sequence[Trimming], *, until: float) -> None:
    sent: deque[Trimming] = deque()

    def lots() -> Iterator[list[KeyAndArgs]]:
        for lot in in_lots_of_bites(trimmings):
            if time.monotonic() >= until:
                return
            calls = [one.call() for one in lot]
            for one in lot:
                one.unanswered = True
            sent.extend(lot)
            yield [(str(call[1]), call[2:]) for call in calls]

    began = time.perf_counter()
    with translated():
        for reply in answers_of(client, script(SAFE_TRIM), lots()):
            trimming, now = sent.popleft(), time.perf_counter()
            if isinstance(reply, Exception):
                trimming.unanswered = isinstance(reply, Unanswered) and reply.sent
                trimming.away = reply.node if isinstance(reply, Unanswered) else None
                trimming.refused = str(error_of_one(reply, trimming.trim.stream))
            else:
                trimming.take(reply, duration_us=round((now - began) * 1_000_000))
            began = now
