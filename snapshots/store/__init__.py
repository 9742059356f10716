"""Reads snapshot sources, and reads and writes published snapshots. Decides nothing; see engine.plan.

Every call raises StoreError or a kind of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snapshots.engine import frame
from snapshots.engine.chain import Published
from snapshots.engine.errors import DocumentUnreadable
from snapshots.engine.names import ALIAS_DELTA, ALIAS_FULL, keys_of
from snapshots.engine.policies import POLICIES_KEY, VERSION_FIELD
from snapshots.publisher._read import Head
from snapshots.publisher._write import Terms
from snapshots.publisher.errors import (
    ChainMoved,
    NothingPublished,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    WriterRefused,
    redis_errors,
)
from snapshots.publisher.sync import catch_up, read_head, write

__all__ = [
    "ChainMoved",
    "Head",
    "Held",
    "NothingPublished",
    "Published",
    "SourceMissing",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "Terms",
    "TooOld",
    "WriterRefused",
    "catch_up",
    "publish_policies",
    "read_deltas",
    "read_full",
    "read_hash",
    "read_head",
    "read_held",
    "read_newest_entry",
    "read_policies",
    "read_string",
    "unpacked",
    "write",
]

# redis.Redis or redis.cluster.RedisCluster, answering bytes: redis-py gives them no common type.
Client = Any


PUBLISH_POLICIES = Path(__file__).parent.with_name("publish_policies.lua").read_text()


class SourceMissing(StoreError):
    """The key that the records should come from is not there."""


class TooOld(StoreError):
    """The deltas asked for are gone; `full_sequence` is where to begin again."""

    def __init__(self, message: str, *, full_sequence: int) -> None:
        super().__init__(message)
        self.full_sequence = full_sequence


@dataclass(frozen=True)
class Held:
    """What a snapshot's keys hold now. `broken` says why a reader can't follow it; "" if it can."""

    bytes: int | None
    broken: str


@dataclass(frozen=True)
class PublishedPolicies:
    """What managers go by: name → wire form. `version` None: nothing was ever published."""

    version: int | None
    policies: Mapping[str, bytes]


def read_policies(client: Client) -> PublishedPolicies:
    with redis_errors("policies"):
        said: dict[bytes, bytes] = client.hgetall(POLICIES_KEY)
    version = said.pop(VERSION_FIELD.encode(), None)
    policies = {name.decode(errors="backslashreplace"): text for name, text in said.items()}
    return PublishedPolicies(int(version) if version and version.isdigit() else None, policies)


def publish_policies(client: Client, wanted: Mapping[str, str], *, compared: PublishedPolicies) -> int | None:
    """Makes the published policies equal to `wanted`, given what `read_policies` said. Returns the version in force.

    None where someone else published in between: read again, the rows first.
    """
    if compared.policies == {name: text.encode() for name, text in wanted.items()} and compared.version is not None:
        return compared.version
    expected = "" if compared.version is None else compared.version
    words = [VERSION_FIELD, expected, len(wanted), *(word for item in wanted.items() for word in item)]
    words += compared.policies.keys() - wanted.keys()
    with redis_errors("policies"):
        answer: int | None = client.eval(PUBLISH_POLICIES, 1, POLICIES_KEY, *words)
    return answer


def read_hash(client: Client, key: str) -> dict[bytes, bytes]:
    """Raises SourceMissing; StoreRefused names a key of another type."""
    with redis_errors(f"source {key}"):
        fields: dict[bytes, bytes] = client.hgetall(key)
    if not fields:
        raise SourceMissing(f"the hash {key} is not there, or empty.")
    return fields


def read_string(client: Client, key: str) -> bytes:
    """Raises SourceMissing."""
    with redis_errors(f"source {key}"):
        value: bytes | None = client.get(key)
    if value is None:
        raise SourceMissing(f"the string {key} is not there.")
    return value


def read_newest_entry(client: Client, key: str) -> dict[bytes, bytes]:
    """The fields of a stream's newest entry. Raises SourceMissing."""
    with redis_errors(f"source {key}"):
        entries = client.xrevrange(key, count=1)
    if not entries:
        raise SourceMissing(f"the stream {key} is not there, or empty.")
    fields: dict[bytes, bytes] = entries[0][1]
    return fields


def read_full(client: Client, name: str) -> bytes:
    """The newest full's bytes, as they are stored. Raises NothingPublished."""
    with redis_errors(name):
        stored: bytes | None = client.get(keys_of(name).full)
    if stored is None:
        raise NothingPublished(f"snapshot {name}: nothing is published, or it expired.")
    return stored


def read_deltas(client: Client, name: str, *, head: Head, since: int) -> list[bytes]:
    """The stored deltas that lead from sequence `since` to the head, whole and in order. Raises TooOld."""
    if since == head.sequence:
        return []
    with redis_errors(name):
        entries = client.xrange(keys_of(name).deltas, f"{since + 1}-0", f"{head.sequence}-0")
    found = [int(entry_id.partition(b"-")[0]) for entry_id, _ in entries]
    if since > head.sequence or found != list(range(since + 1, head.sequence + 1)):
        raise TooOld(
            f"snapshot {name}: the deltas since {since} are not all there; read the full {head.base}.",
            full_sequence=head.base,
        )
    return [fields[b"document"] for _, fields in entries]


def read_held(client: Client, name: str, *, head: Head, aliases: bool) -> Held:
    keys = keys_of(name)
    names = [keys.full, keys.deltas, keys.head, keys.lease, *((ALIAS_FULL, ALIAS_DELTA) if aliases else ())]
    with redis_errors(name):
        sizes = [client.memory_usage(key, samples=0) for key in names]
        newest = client.xrevrange(keys.deltas, count=1) if head.newest_delta else []
    if sizes[0] is None:
        broken = f"The full {head.base} is gone from Redis; the next build makes one."
    elif head.newest_delta and [entry_id for entry_id, _ in newest] != [f"{head.newest_delta}-0".encode()]:
        broken = f"The delta {head.newest_delta} is gone from Redis; the next build is a full."
    else:
        broken = ""
    return Held(bytes=sum(size or 0 for size in sizes), broken=broken)


def unpacked(stored: bytes) -> bytes:
    """A stored document as JSON. Raises StoreRefused."""
    try:
        return frame.unpack(stored)
    except DocumentUnreadable as error:
        raise StoreRefused(str(error)) from error
