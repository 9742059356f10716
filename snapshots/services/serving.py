"""Makes what HTTP serves of a snapshot: stored bytes as they are where the client takes zstd, and the rest once.

The newest documents stay in this process, so that 200 readers cost Redis one read and gzip one run. Decides no status.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import zstandard

from snapshots import store
from snapshots.engine import frame, gzipped
from snapshots.engine.errors import DocumentUnreadable
from snapshots.engine.gzipped import Deflated
from snapshots.models import SnapshotPolicy
from snapshots.services.kept import Kept
from snapshots.store import Head
from tradeul_ops.connections import data_redis

Encoding = Literal["zstd", "gzip", ""]

NAME_WITHOUT_POLICY = "latest"  # a SnapshotManager's, unless it was given another
GZIP_LEVEL = 6
FRAME_LEVEL = 1  # of the few bytes around documents that are stored
KEPT_BYTES = 32 * 2**20
LONGEST_CHAIN = 20_000
ANSWER_BYTES = 16 * 2**20  # of deltas, as JSON: what this process and a browser take at a time


def _size(value: Any) -> int:
    return len(value.blocks) if isinstance(value, Deflated) else len(value)


_kept = Kept(max_bytes=KEPT_BYTES, size_of=_size)


class Moved(store.StoreError):
    """A new full or a new epoch came while the answer was made. Ask again, from the head."""


@dataclass(frozen=True)
class Body:
    """`encoding` is "" for plain JSON."""

    content: bytes
    encoding: Encoding


def default_name() -> str:
    """The list that the guide's addresses mean."""
    name = SnapshotPolicy.objects.filter(is_default=True).values_list("name", flat=True).first()
    return name or NAME_WITHOUT_POLICY


def read_head(name: str) -> Head:
    """Raises NothingPublished or another StoreError."""
    return store.read_head(data_redis(), name=name)


def full_body(name: str, *, head: Head, encoding: Encoding) -> Body:
    """The full that the head's base says. Raises a StoreError."""
    return _body((name, head.epoch, head.base, "full"), stored_full(name, head=head), encoding)


def delta_body(name: str, *, head: Head, encoding: Encoding) -> Body:
    """The newest delta. Raises TooOld where the newest document is a full that no delta leads to."""
    (stored,) = stored_deltas(name, head=head, since=head.sequence - 1)
    return _body((name, head.epoch, head.sequence, "delta"), stored, encoding)


def since_body(name: str, *, head: Head, since: int, encoding: Encoding) -> Body:
    """The deltas after `since`, in order, in one JSON object: all, or as many as ANSWER_BYTES hold. Raises TooOld.

    Each delta is compressed once, by its writer or for gzip by this process: what is around them is compressed apart.
    """
    deltas = _first_of(stored_deltas(name, head=head, since=since))
    last = since + len(deltas)
    opening = f'{{"epoch":"{head.epoch}","seq":{last},"head":{head.sequence},"base":{head.base},"deltas":['.encode()
    if encoding == "zstd":
        return Body(_listed(opening, [_framed(stored) for stored in deltas], _compressed), encoding)
    if encoding == "gzip":
        keys = [(name, head.epoch, number, "delta") for number in range(since + 1, last + 1)]
        parts = [_deflated(key, stored) for key, stored in zip(keys, deltas, strict=True)]
        between = [deflate(b"," if number else b"") for number in range(len(parts))]
        pairs = [part for pair in zip(between, parts, strict=True) for part in pair]
        return Body(gzipped.join([deflate(opening), *pairs, deflate(b"]}")]), encoding)
    return Body(_listed(opening, [store.unpacked(stored) for stored in deltas], bytes), encoding)


def _first_of(deltas: list[bytes]) -> list[bytes]:
    """Of stored ones; one at least, if there are any."""
    return deltas[: max(1, sum(size <= ANSWER_BYTES for size in itertools.accumulate(map(_unpacked_bytes, deltas))))]


def _unpacked_bytes(stored: bytes) -> int:
    try:
        return frame.size_of(stored)
    except DocumentUnreadable:
        return 0  # its reader says so


def stored_full(name: str, *, head: Head) -> bytes:
    """As Redis holds it. Raises a StoreError."""
    return _kept.get((name, head.epoch, head.base, "full"), lambda: _read_full(name, head))


def stored_deltas(name: str, *, head: Head, since: int) -> list[bytes]:
    """Those after `since` up to the head, as Redis holds them. Raises TooOld or another StoreError."""
    if since == head.sequence:
        return []
    if since > head.sequence:  # of a chain that is no more; Redis refuses ids that long
        raise store.TooOld(
            f"snapshot {name} is at {head.sequence}; read the full {head.base}.", full_sequence=head.base
        )
    if since == head.sequence - 1:  # what almost everybody asks for, and all at once
        return [_kept.get((name, head.epoch, head.sequence, "delta"), lambda: _read_deltas(name, head, since)[0])]
    found = [_kept.find((name, head.epoch, number, "delta")) for number in _numbers(head, since)]
    if found and None not in found:
        return [stored for stored in found if stored is not None]
    deltas = _read_deltas(name, head, since)
    for number, stored in zip(_numbers(head, since), deltas, strict=True):
        _kept.put((name, head.epoch, number, "delta"), stored)
    return deltas


def _numbers(head: Head, since: int) -> range:
    """Of the deltas asked for; none where `since` is out of any chain, so that the store refuses it."""
    return range(since + 1, head.sequence + 1) if head.sequence - since <= LONGEST_CHAIN else range(0)


def _read_deltas(name: str, head: Head, since: int) -> list[bytes]:
    deltas = store.read_deltas(data_redis(), name, head=head, since=since)
    if read_head(name).epoch != head.epoch:  # whose documents are numbered from 1 as well
        raise Moved(f"snapshot {name}: a new epoch began.")
    return deltas


def _read_full(name: str, head: Head) -> bytes:
    stored = store.read_full(data_redis(), name)
    now = read_head(name)
    if (now.epoch, now.base) != (head.epoch, head.base):
        raise Moved(f"snapshot {name}: the full {now.base} came.")
    return stored


def _body(key: tuple[Any, ...], stored: bytes, encoding: Encoding) -> Body:
    if not stored.startswith(frame.MAGIC):  # so small that it was stored as it is
        return Body(stored, "")
    if encoding == "zstd":
        return Body(stored, encoding)
    if encoding == "gzip":
        return Body(gzipped.join([_deflated(key, stored)]), encoding)
    return Body(store.unpacked(stored), "")


def _deflated(key: tuple[Any, ...], stored: bytes) -> Deflated:
    return _kept.get((*key, "gzip"), lambda: gzipped.deflate(store.unpacked(stored), level=GZIP_LEVEL))


def _framed(stored: bytes) -> bytes:
    return stored if stored.startswith(frame.MAGIC) else _compressed(stored)


def _listed(opening: bytes, documents: list[bytes], wrap: Callable[[bytes], bytes]) -> bytes:
    comma = wrap(b",")
    return b"".join([wrap(opening), comma.join(documents), wrap(b"]}")])


@functools.lru_cache(maxsize=64)
def _compressed(text: bytes) -> bytes:
    """zstd frames may follow one another in an answer."""
    return zstandard.ZstdCompressor(level=FRAME_LEVEL).compress(text)


@functools.lru_cache(maxsize=64)
def deflate(text: bytes) -> Deflated:
    return gzipped.deflate(text, level=GZIP_LEVEL)
