"""Catches up with what is published, as a generator of Redis commands. Sends nothing: sync.py and aio.py do."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np

from snapshots.engine import chain, codec, frame
from snapshots.engine.chain import Published
from snapshots.engine.delta import touched
from snapshots.engine.errors import ChainBroken, DocumentUnreadable
from snapshots.engine.names import keys_of
from snapshots.engine.state import to_records
from snapshots.publisher.errors import NothingPublished, StoreRefused

Command: TypeAlias = tuple[str | int, ...]
Steps: TypeAlias = Generator[Command, Any, Published]

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

    def is_at(self, at: Published) -> bool:
        """By the checksum too: a server that came back from an old dump has the same numbers for another history."""
        return (at.epoch, at.sequence, at.checksum) == (self.epoch, self.sequence, self.checksum)


@dataclass(frozen=True)
class Lag:
    """How far a state is behind what is published. None: unknown, as sequences of two epochs don't compare.

    `seconds` lie between the two states' times, both by their writers' clocks.
    """

    sequences: int | None
    seconds: float | None


def lag_of(at: Published | None, *, head: Head) -> Lag:
    if at is None:
        return Lag(None, None)
    behind = head.sequence - at.sequence if at.epoch == head.epoch and at.sequence <= head.sequence else None
    return Lag(behind, max(0.0, (head.ts - at.ts) / 1000))


@dataclass(frozen=True)
class Followed:
    """One step of a reader that follows.

    `lag`: how far behind it was before this step, None where Redis could not be asked. `fulls` and `deltas`: read in
    this step. `gap`: what did not fit together and was read again. `problem`: why it could not catch up; its state is
    then still the one of `sequence`, and None of these is known before the first.
    """

    changed: bool
    epoch: str | None
    sequence: int | None
    published_at: datetime | None
    lag: Lag | None
    fulls: int = 0
    deltas: int = 0
    gap: str = ""
    problem: str = ""


@dataclass
class Trace:
    """What a catch-up met on its way."""

    lag: Lag | None = None
    fulls: int = 0
    deltas: int = 0
    gap: str = ""

    def step(self, at: Published | None, *, changed: bool, problem: str = "") -> Followed:
        return Followed(
            changed=changed,
            epoch=at.epoch if at else None,
            sequence=at.sequence if at else None,
            published_at=time_of(at) if at else None,
            lag=self.lag,
            fulls=self.fulls,
            deltas=self.deltas,
            gap=self.gap,
            problem=problem,
        )


def time_of(at: Published) -> datetime:
    return datetime.fromtimestamp(at.ts / 1000, tz=UTC)


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


def catch_up(name: str, at: Published | None, *, trace: Trace | None = None) -> Steps:
    """Yields commands, takes their replies, returns the newest state; `at` is where the reader stands.

    Writers go on meanwhile, so what was read may not fit together; then it begins again from the full. Raises
    NothingPublished, or ChainBroken once that went wrong several times.
    """
    keys = keys_of(name)
    trace = trace or Trace()
    error: Exception | None = None
    for _ in range(ATTEMPTS):
        head = head_of((yield ("HGETALL", keys.head)), name=name)
        trace.lag = trace.lag or lag_of(at, head=head)
        if at is not None and head.is_at(at):
            return at
        try:
            if at is None or at.epoch != head.epoch or at.sequence >= head.sequence or _full_is_cheaper(at, head):
                at = yield from _read_full(name, head)
                trace.fulls += 1
            if at.sequence < head.sequence:
                span = (f"{at.sequence + 1}-0", f"{head.sequence}-0")
                for _, fields in (yield ("XRANGE", keys.deltas, *span)):
                    at = chain.follow(at, document=_document(fields))
                    trace.deltas += 1
            if at.sequence == head.sequence:
                return at
            raise ChainBroken(f"{name}: the deltas end at {at.sequence}, the head says {head.sequence}.")
        except (ChainBroken, DocumentUnreadable) as found:
            at, error, trace.gap = None, found, str(found)
    assert error is not None
    kind = type(error) if isinstance(error, ChainBroken) else ChainBroken
    raise kind(f"{error} Tried {ATTEMPTS} times.") from error


def latest_delta(name: str) -> Generator[Command, Any, dict[str, Any] | None]:
    """What the newest delta changed, in whole tickers; None where the newest document is a full, or there is none.

    Raises ChainBroken.
    """
    keys = keys_of(name)
    reason = ""
    for _ in range(ATTEMPTS):
        fields = yield ("HGETALL", keys.head)
        if not fields:
            return None
        head = head_of(fields, name=name)
        if head.kind == "full":
            return None
        try:
            at = yield from _read_full(name, head)
            *earlier, newest = yield ("XRANGE", keys.deltas, f"{head.base + 1}-0", f"{head.sequence}-0")
            for _, fields in earlier:
                at = chain.follow(at, document=_document(fields))
            document = _document(newest[1])
            return _in_whole_tickers(at, chain.follow(at, document=document), document)
        except (ChainBroken, DocumentUnreadable, ValueError) as error:  # ValueError: there was no newest
            reason = str(error)
    raise ChainBroken(f"{reason} Tried {ATTEMPTS} times.")


def _in_whole_tickers(before: Published, after: Published, document: codec.Document) -> dict[str, Any]:
    delta = codec.delta_of(document, state=before.state)
    rows = np.flatnonzero(touched(delta.changes, len(before.state.symbols))).tolist()
    updated = [symbol for row in rows if (symbol := after.state.symbols[row]) is not None]
    records = to_records(after.state)
    return {
        "added": [{"symbol": symbol, "data": records[symbol]} for symbol in delta.added.row_of],
        "updated": [{"symbol": symbol, "data": records[symbol]} for symbol in updated],
        "removed": [before.state.symbols[row] for row in delta.removed],
        "unchanged_count": len(records) - len(updated) - len(delta.added.row_of),
        "timestamp": time_of(after).isoformat(),
        "sequence": after.sequence,
    }


def _read_full(name: str, head: Head) -> Steps:
    stored = yield ("GET", keys_of(name).full)
    if stored is None:
        raise NothingPublished(f"snapshot {name}: its full is gone; the writer's next build is a new one.")
    at = chain.open_full(codec.read(frame.unpack(stored)))
    if at.epoch != head.epoch or at.sequence != head.base:
        raise ChainBroken(f"{name}: the full is {at.sequence}, the head's base {head.base}.")
    return at


def _document(fields: dict[bytes, bytes]) -> codec.Document:
    try:
        return codec.read(frame.unpack(fields[b"document"]))
    except KeyError as error:
        raise DocumentUnreadable("an entry of the deltas has no document.") from error


def _full_is_cheaper(at: Published, head: Head) -> bool:
    return head.base > at.sequence and head.sequence - at.sequence > FULL_CHEAPER_FROM
