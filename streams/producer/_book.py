"""The limits in force in this process, and what it tells the console of itself. Does no I/O; any thread may ask it."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from streams.engine.limits import LARGEST, Limit
from streams.engine.producers import ProducerSeen, to_wire
from streams.engine.rules import Rule, Rules
from streams.engine.wire import VERSION_FIELD, WireError, from_wire
from streams.producer._trim import Trims
from streams.producer._xadd import Slot, Slots, Stream
from streams.producer.errors import NotStarted

SETTLED_AT_ONCE = 500  # streams: an XLEN each with a heartbeat

logger = logging.getLogger(__name__)


class ProducerStats(TypedDict):
    """Of this process. Trims and their bytes (the server's estimate) are 0 where the console trims and counts them.

    `configured_streams`: the patterns of the limits; without wildcards that is a stream's name. `version`: of the
    limits in force, None before any were published.
    `unmatched`: streams added to that have no limit; `unmatched_maxlen` is what they get instead.
    """

    is_running: bool
    active_trim_tasks: int
    total_adds: int
    total_trims: int
    bytes_trimmed: int
    configured_streams: list[str]
    version: int | None
    unmatched: list[str]
    unmatched_adds: int
    unmatched_maxlen: int | None


class StreamInfo(TypedDict):
    """`length` None: unknown, because the key could not be read as a stream. `maxlen` None: bounded by age or bytes."""

    stream: str
    length: int | None
    maxlen: int | None
    usage_percent: float | None


class Book:
    """`rules`: the defaults until published ones are read. `asked`: the server has said whether any are published."""

    def __init__(self, *, name: str, defaults: Mapping[str, Rule], unmatched_maxlen: int | None) -> None:
        if unmatched_maxlen is not None and not 1 <= unmatched_maxlen <= LARGEST:
            raise ValueError(f"unmatched_maxlen must be None or from 1 to {LARGEST:,}: {unmatched_maxlen!r}.")
        self.name = name or Path(sys.argv[0]).stem or "producer"
        self.id = f"{self.name}-{secrets.token_hex(6)}"
        self.rules = Rules(defaults.values())
        self.unmatched_maxlen = unmatched_maxlen
        self.version: int | None = None
        self.started = self.asked = False
        self.slots = Slots(self._first_use)
        self._told: set[Stream] = set()
        self._lock = threading.Lock()

    def take(self, published: Mapping[bytes | str, bytes | str]) -> None:
        """The whole hash, as read. An empty one leaves all as it is: the defaults, or what was last known."""
        said = {name_of(field): name_of(text) for field, text in published.items()}
        self.asked = True
        version = said.pop(VERSION_FIELD, "")
        if not version.isdecimal():
            return
        rules = []
        for key, text in said.items():
            try:
                rules.append(from_wire(text, key=key))
            except WireError as error:
                if key in self.rules.by_key:
                    rules.append(self.rules.by_key[key])
                if int(version) != self.version:  # once a version, not at every reload
                    said_of_it = str(error).encode("utf-8", "backslashreplace").decode()  # a key may be no text
                    logger.warning("Keeping what was known before: %s", said_of_it)
        new = Rules(rules)
        with self._lock:
            known, self.version = self.rules == new, int(version)
            if known:
                return
            self.rules = new
            for stream, slot in self.slots.items():
                slot.obey(new.limit_of(name_of(stream)), unmatched_maxlen=self.unmatched_maxlen)

    def heartbeat(self, *, server_time: Sequence[int]) -> str:
        """`server_time` is what TIME answered: no two hosts' clocks are compared."""
        seconds, micros = (int(part) for part in server_time)
        with self._lock:
            adds = sum(slot.adds for slot in self.slots.values())
        seen = ProducerSeen(
            id=self.id,
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self.version,
            seen_at=datetime.fromtimestamp(seconds + micros / 1e6, tz=UTC),
            adds=adds,
        )
        return to_wire(seen)

    def untold(self) -> list[Stream]:
        """Streams added to that the console was not told of yet."""
        with self._lock:
            return [stream for stream in self.slots if stream not in self._told]

    def told(self, streams: Sequence[Stream]) -> None:
        self._told.update(streams)

    def settling(self) -> list[Stream]:
        """Streams that may be far above their caps."""
        with self._lock:
            return [stream for stream, slot in self.slots.items() if slot.settling][:SETTLED_AT_ONCE]

    def settle(self, streams: Sequence[Stream], *, lengths: Sequence[object]) -> None:
        """`lengths`: what XLEN answered for each; an error of the server is no length."""
        for stream, length in zip(streams, lengths, strict=True):
            if isinstance(length, int):
                self.slots[stream].settle(length)

    def stats(self, *, is_running: bool, trims: Trims) -> ProducerStats:
        with self._lock:
            adds: Counter[str] = Counter()  # a stream may be named as text here and as bytes there
            for stream, slot in self.slots.items():
                adds[name_of(stream)] += slot.adds
            unmatched = sorted(stream for stream in adds if self.rules.limit_of(stream) is None)
            configured = sorted({rule.pattern for rule in self.rules.by_key.values()})
        return {
            "is_running": is_running,
            "active_trim_tasks": trims.active,
            "total_adds": sum(adds.values()),
            "total_trims": trims.total_trims,
            "bytes_trimmed": trims.bytes_trimmed,
            "configured_streams": configured,
            "version": self.version,
            "unmatched": unmatched,
            "unmatched_adds": sum(adds[stream] for stream in unmatched),
            "unmatched_maxlen": self.unmatched_maxlen,
        }

    def limits(self) -> dict[str, Limit]:
        """Of every stream that a limit names, and of those added to here that one matches."""
        with self._lock:
            streams = {*self.rules.exact_streams, *map(name_of, self.slots)}
        found = ((stream, self.rules.limit_of(stream)) for stream in sorted(streams))
        return {stream: limit for stream, limit in found if limit is not None}

    def infos(self, limits: Mapping[str, Limit], lengths: Sequence[object]) -> list[StreamInfo]:
        """`lengths`: what XLEN answered for each; an error of the server is no length."""
        return [
            {
                "stream": stream,
                "length": length if isinstance(length, int) else None,
                "maxlen": limit.maxlen,
                "usage_percent": round(100 * length / limit.maxlen, 1)
                if isinstance(length, int) and limit.maxlen
                else None,
            }
            for (stream, limit), length in zip(limits.items(), lengths, strict=True)
        ]

    def trimmed_here(self, *, trim: bool | None) -> Mapping[str, Limit]:
        """The limits that this process trims by itself. `trim` None: where no console has published any."""
        alone = self.asked and self.version is None
        return self.limits() if trim or (trim is None and alone) else {}

    def _first_use(self, stream: Stream) -> Slot:
        if not self.started:
            raise NotStarted(
                f"{self.name} is not started: call start() first, or {name_of(stream)} would grow without a limit."
            )
        with self._lock:
            limit = self.rules.limit_of(name_of(stream))
            if stream not in self.slots:  # another thread may have come first
                self.slots[stream] = Slot(limit, unmatched_maxlen=self.unmatched_maxlen)
        if limit is None and self.unmatched_maxlen is None:
            logger.warning("%s has no limit: it grows until the console gives it one.", name_of(stream))
        elif limit is None:
            logger.warning("%s has no limit, and gets that of %d entries.", name_of(stream), self.unmatched_maxlen)
        return self.slots[stream]


def name_of(stream: Stream) -> str:
    return stream.decode("utf-8", "surrogateescape") if isinstance(stream, bytes) else stream
