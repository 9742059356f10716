"""One snapshot's writer between two calls: what is published, what was counted. Sends nothing itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from snapshots.engine.build import Build, encode, prepare
from snapshots.engine.cells import Record
from snapshots.engine.chain import Published
from snapshots.engine.delta import Thresholds
from snapshots.engine.errors import Unpublishable
from snapshots.engine.names import keys_of
from snapshots.engine.plan import Options
from snapshots.engine.table import tabulate
from snapshots.publisher._write import Terms
from snapshots.publisher.errors import StoreRefused


@dataclass
class Author:
    name: str
    options: Options
    thresholds: Thresholds
    terms: Terms
    clock: Callable[[], float] = time.time

    published: Published | None = field(default=None, init=False)
    broken: str = field(default="", init=False)
    fulls: int = field(default=0, init=False)
    deltas: int = field(default=0, init=False)
    full_bytes: int = field(default=0, init=False)
    delta_bytes: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    last_full_bytes: int = field(default=0, init=False)
    last_reason: str = field(default="", init=False)

    def build(self, snapshot: Mapping[str, Record]) -> Build:
        """Raises Unpublishable, naming symbol and field; nothing is published then."""
        records, refused = tabulate(snapshot)
        if refused:
            raise Unpublishable(next(iter(refused.values())))
        known = self.published.state.row_of if self.published else {}
        prepared = prepare(
            self.published,
            name=self.name,
            new_epoch=secrets.token_hex(8),
            upserts=records,
            removals=[symbol for symbol in known if symbol not in records.row_of],
            now_ms=int(self.clock() * 1000),
            options=self.options,
            broken=self.broken,
            thresholds=self.thresholds,
        )
        return encode(prepared, options=self.options, full_bytes=self.last_full_bytes)

    def confirm(self, build: Build) -> dict[str, Any]:
        """The write arrived: adopts it. Returns what `save_snapshot` does."""
        self.published, self.broken = build.published, ""
        if build.full:
            self.fulls += 1
            self.full_bytes += len(build.full.stored)
            self.last_full_bytes, self.last_reason = len(build.full.stored), build.reason
        else:
            self.deltas += 1
        self.delta_bytes += len(build.delta.stored) if build.delta else 0
        document = build.full or build.delta
        assert document is not None  # a build has one at least
        return {
            "type": build.kind,
            "sequence": build.published.sequence,
            "epoch": build.published.epoch,
            "size": document.raw_bytes,
            "compressed_size": len(document.stored),
            "tickers": build.published.state.tickers,
            "added": build.added,
            "updated": build.updated,
            "removed": build.removed,
            "held": build.held,
            "reason": build.reason,
        }

    def failed(self, error: Exception) -> None:
        """Whether the write arrived is unknown, so the next document is the full of a new epoch."""
        self.failures += 1
        self.broken = str(error)

    def stats(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "epoch": self.published.epoch if self.published else None,
            "sequence": self.published.sequence if self.published else None,
            "full_snapshots": self.fulls,
            "delta_snapshots": self.deltas,
            "failures": self.failures,
            "bytes_written": self.full_bytes + self.delta_bytes,
            "avg_full_size": self.full_bytes / self.fulls if self.fulls else None,
            "avg_delta_size": self.delta_bytes / self.deltas if self.deltas else None,
            "last_full_reason": self.last_reason,
        }


def author_of(
    *,
    name: str,
    full_snapshot_interval: float,
    delta_compression_threshold: int,
    min_price_change_percent: float | None,
    min_rvol_change_percent: float | None,
    writer: str | None,
    lease_seconds: float,
    clock: Callable[[], float],
) -> Author:
    keys_of(name)
    interval = timedelta(seconds=full_snapshot_interval)
    options = Options(full_interval=interval, compression_threshold=delta_compression_threshold)
    return Author(
        name=name,
        options=options,
        thresholds=Thresholds(price=min_price_change_percent, rvol=min_rvol_change_percent),
        terms=Terms(
            writer=writer or f"SnapshotManager-{secrets.token_hex(4)}",
            lease=timedelta(seconds=lease_seconds),
            full_ttl=max(3 * interval, timedelta(minutes=15)),
            deltas_kept=options.deltas_kept,
            aliases=name == "latest",
        ),
        clock=clock,
    )


def check_client(client: Any) -> None:
    """Raises StoreRefused for a client that would decode documents as text."""
    encoder = client.get_encoder() if hasattr(client, "get_encoder") else None
    if getattr(encoder, "decode_responses", False):
        raise StoreRefused("this Redis client was built with decode_responses=True, and documents are bytes.")
