"""Puts a build into one call of write.lua, and reads its answer. Sends nothing: sync.py and aio.py do."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from snapshots.engine.build import Build
from snapshots.engine.names import ALIAS_DELTA, ALIAS_FULL, keys_of
from snapshots.publisher.errors import ChainMoved, StoreRefused, WriterRefused

SCRIPT = Path(__file__).with_name("write.lua").read_text()
SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Terms:
    """How a writer writes. `full_ttl` holds for the whole chain and is renewed at every write."""

    writer: str
    lease: timedelta = timedelta(seconds=15)
    full_ttl: timedelta = timedelta(minutes=15)
    delta_ttl: timedelta = timedelta(seconds=60)  # of the alias key only
    deltas_kept: int = 122
    aliases: bool = False


@dataclass(frozen=True)
class Call:
    keys: list[str]
    args: list[str | bytes | int]

    @property
    def words(self) -> list[Any]:
        """What follows EVALSHA and the hash."""
        return [len(self.keys), *self.keys, *self.args]


def call_of(build: Build, *, terms: Terms, cluster: bool) -> Call:
    """A cluster keeps the alias keys in other slots, where a script may not write: see `alias_sets`."""
    published = build.published
    keys = keys_of(published.name)
    aliases = [ALIAS_FULL, ALIAS_DELTA] if terms.aliases and not cluster else []
    head: dict[str, str | int] = {
        "epoch": published.epoch,
        "sequence": published.sequence,
        "base": published.base,
        "ts": published.ts,
        "full_ts": published.full_ts,
        "profile": published.profile,
        "checksum": published.checksum,
        "kind": build.kind,
        "tickers": published.state.tickers,
        "raw_bytes": sum(part.raw_bytes for part in (build.full, build.delta) if part),
    }
    return Call(
        [keys.full, keys.deltas, keys.head, keys.lease, *aliases],
        [
            terms.writer,
            _ms(terms.lease),
            published.epoch,
            published.sequence,
            published.sequence - 1 if published.sequence > 1 else "",
            build.full.stored if build.full else b"",
            build.delta.stored if build.delta else b"",
            terms.deltas_kept,
            _ms(terms.full_ttl),
            _ms(terms.delta_ttl),
            *(word for pair in head.items() for word in pair),
        ],
    )


def alias_sets(build: Build, *, terms: Terms) -> list[tuple[str, bytes, int]]:
    """On a cluster: key, document and time to live in ms, each to be SET after the script."""
    if not terms.aliases:
        return []
    full = [(ALIAS_FULL, build.full.stored, _ms(terms.full_ttl))] if build.full else []
    return full + ([(ALIAS_DELTA, build.delta.stored, _ms(terms.delta_ttl))] if build.delta else [])


def check_reply(reply: Sequence[Any], *, name: str) -> None:
    """Raises WriterRefused or ChainMoved; returns if the document was written."""
    words = [word.decode(errors="replace") if isinstance(word, bytes) else word for word in reply]
    if words == ["ok"]:
        return
    if words[0] == "held":
        raise WriterRefused(
            f"snapshot {name}: {words[1]} is writing it, and may for another {int(words[2]) / 1000:.1f} s; "
            "one snapshot has one writer."
        )
    if words[0] == "moved":
        raise ChainMoved(f"snapshot {name}: {words[1]}.")
    raise StoreRefused(f"snapshot {name}: unexpected answer {words!r}.")


def _ms(duration: timedelta) -> int:
    return max(1, int(duration.total_seconds() * 1000))
