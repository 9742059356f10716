"""Reads whole streams' states, and trims them bite by bite. Decides nothing; see engine.plan."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from streams.engine.state import StreamState, state_from_reply
from streams.engine.trimming import SAFE_TRIM, Trimming
from streams.lua import script
from streams.store.server import Client, StreamError, run, run_on_each, translate, translated


def read_states(
    client: Client, streams: Sequence[str], *, newest_of: Collection[str] = ()
) -> dict[str, StreamState | StreamError]:
    """All streams in one round trip. One that can't be read has its error as value, and costs the others nothing.

    Of those in `newest_of` also how large a new entry is.
    """
    args = dict.fromkeys(newest_of, ("newest",))
    replies = run_on_each(client, script("read_state"), streams, args=args)
    return {name: _state_or_error(name, reply) for name, reply in zip(streams, replies, strict=True)}


def trim(client: Client, trimming: Trimming, *, until: float) -> None:
    """Sends the trim's calls until it is done or `time.monotonic()` passes `until`.

    After an error `trimming` holds what was removed before it.
    """
    while not trimming.done and time.monotonic() < until:
        call = trimming.call()
        started = time.perf_counter()
        with translated(trimming.trim.stream):
            reply = run(client, script(SAFE_TRIM), keys=call[1:2], args=call[2:])
        trimming.take(reply, duration_us=round((time.perf_counter() - started) * 1_000_000))


def _state_or_error(stream: str, reply: Any) -> StreamState | StreamError:
    if not isinstance(reply, Exception):
        return state_from_reply(stream, reply=reply)
    error = translate(reply, stream)
    if isinstance(error, StreamError):
        return error
    raise error from reply
