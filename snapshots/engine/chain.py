"""Says whether a document continues a state, and continues it. Returns no state whose checksum it did not compare."""

from __future__ import annotations

from dataclasses import dataclass

from snapshots.engine import codec
from snapshots.engine.codec import Document, Header
from snapshots.engine.delta import apply
from snapshots.engine.errors import ChainBroken, ChecksumMismatch, DocumentUnreadable, Unpublishable
from snapshots.engine.state import State, reorder


@dataclass(frozen=True)
class Published:
    """What readers have after `sequence`. `base` is the full that numbers the rows, written at `full_ts` (ms)."""

    state: State
    name: str
    epoch: str
    base: int
    sequence: int
    ts: int
    full_ts: int
    profile: str
    checksum: str


def why_not(at: Published, *, header: Header) -> str:
    """The sentence why the document does not continue `at`; "" if it does."""
    if header.epoch != at.epoch:
        return f"{at.name}: a new epoch {header.epoch} began; the state at hand is of {at.epoch}."
    if header.sequence != at.sequence + 1:
        return f"{at.name}: a gap, the state is at {at.sequence} and the delta is {header.sequence}."
    if header.base != at.base:
        return f"{at.name}: delta {header.sequence} numbers its rows by full {header.base}, the state by {at.base}."
    return ""


def open_full(document: Document) -> Published:
    """Raises DocumentUnreadable or ChainBroken."""
    header = document.header
    if header.kind != "full":
        raise ChainBroken(f"{header.name}: expected a full, got the delta {header.sequence}.")
    state = codec.state_of(document)
    _verify(state, header)
    return _published(state, header, base=header.sequence, full_ts=header.ts)


def follow(at: Published, *, document: Document) -> Published:
    """The state after a delta. Raises DocumentUnreadable or ChainBroken; `at` stays good."""
    header = document.header
    if header.kind != "delta":
        raise ChainBroken(f"{header.name}: expected a delta, got the full {header.sequence}.")
    if reason := why_not(at, header=header):
        raise ChainBroken(reason)
    try:
        state = apply(at.state, delta=codec.delta_of(document, state=at.state))
    except (IndexError, KeyError, Unpublishable) as error:
        raise DocumentUnreadable(f"{header.name}: the delta {header.sequence} does not fit: {error!r}") from error
    if not document.reorders:
        _verify(state, header)
        return _published(state, header, base=at.base, full_ts=at.full_ts)
    state = reorder(state, by=document.reorder_by)
    _verify(state, header)
    return _published(state, header, base=header.sequence, full_ts=header.ts)


def _published(state: State, header: Header, *, base: int, full_ts: int) -> Published:
    return Published(
        state=state,
        name=header.name,
        epoch=header.epoch,
        base=base,
        sequence=header.sequence,
        ts=header.ts,
        full_ts=full_ts,
        profile=header.profile,
        checksum=header.checksum,
    )


def _verify(state: State, header: Header) -> None:
    found = state.checksum
    if found != header.checksum:
        raise ChecksumMismatch(
            f"{header.name}: after {header.kind} {header.sequence} the state's checksum is {found}, "
            f"the writer's was {header.checksum}."
        )
