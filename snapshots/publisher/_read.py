"""Catches up with what is published, as a generator of Redis commands. Sends nothing: sync.py and aio.py do."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

from snapshots.engine import chain, codec
from snapshots.engine.chain import Published
from snapshots.engine.errors import ChainBroken, DocumentUnreadable
from snapshots.engine.names import keys_of
from snapshots.publisher.errors import NothingPublished, StoreRefused

Command: TypeAlias = tuple[str | int, ...]

ATTEMPTS = 4
FULL_CHEAPER_FROM = 14  # missed deltas; so many take more bytes than a full


@dataclass(frozen=True)
class Head:
    """Where the chain stands, as its writer said with the newest document. Sizes are of the newest of each kind."""

    epoch: str
    sequence: int
    base: int
    ts: int
    full_ts: int
    profile: str
    checksum: str
    kind: str
    tickers: int
    full_bytes: int
    delta_bytes: int | None
    newest_delta: int | None  # the sequence of the stream's last entry


def head_of(fields: dict[bytes, bytes], *, name: str) -> Head:
    """Raises NothingPublished, or StoreRefused for fields that are no head."""
    if not fields:
        raise NothingPublished(f"snapshot {name}: nothing is published, or it expired.")
    try:
        text = {key.decode(): value.decode() for key, value in fields.items()}
        return Head(
            epoch=text["epoch"],
            sequence=int(text["sequence"]),
            base=int(text["base"]),
            ts=int(text["ts"]),
            full_ts=int(text["full_ts"]),
            profile=text["profile"],
            checksum=text["checksum"],
            kind=text["kind"],
            tickers=int(text["tickers"]),
            full_bytes=int(text["full_bytes"]),
            delta_bytes=int(text["delta_bytes"]) if text.get("delta_bytes") else None,
            newest_delta=int(text["delta"]) if text.get("delta") else None,
        )
    except (KeyError, ValueError, AttributeError) as error:
        raise StoreRefused(f"snapshot {name}: the head in Redis cannot be read: {error!r}") from error


def catch_up(name: str, at: Published | None) -> Generator[Command, Any, Published]:
    """Yields commands, takes their replies, returns the newest state; `at` is where the reader stands.

    Writers go on meanwhile, so what was read may not fit together; then it begins again from the full. Raises
    NothingPublished, or ChainBroken once that went wrong several times.
    """
    keys = keys_of(name)
    reason = ""
    for _ in range(ATTEMPTS):
        head = head_of((yield ("HGETALL", keys.head)), name=name)
        if at is not None and at.epoch == head.epoch and at.sequence == head.sequence:
            return at
        try:
            if at is None or at.epoch != head.epoch or at.sequence > head.sequence or _full_is_cheaper(at, head):
                stored = yield ("GET", keys.full)
                if stored is None:
                    raise NothingPublished(f"snapshot {name}: its full is gone; the writer's next build is a new one.")
                at = chain.open_full(codec.read(codec.unpack(stored)))
                if at.epoch != head.epoch or at.sequence != head.base:
                    raise ChainBroken(f"{name}: the full is {at.sequence}, the head's base {head.base}.")
            if at.sequence < head.sequence:
                span = (f"{at.sequence + 1}-0", f"{head.sequence}-0")
                for _, fields in (yield ("XRANGE", keys.deltas, *span)):
                    at = chain.follow(at, document=codec.read(codec.unpack(fields[b"document"])))
            if at.sequence == head.sequence:
                return at
            raise ChainBroken(f"{name}: the deltas end at {at.sequence}, the head says {head.sequence}.")
        except (ChainBroken, DocumentUnreadable) as error:
            at, reason = None, str(error)
    raise ChainBroken(f"{reason} Tried {ATTEMPTS} times.")


def _full_is_cheaper(at: Published, head: Head) -> bool:
    return head.base > at.sequence and head.sequence - at.sequence > FULL_CHEAPER_FROM
