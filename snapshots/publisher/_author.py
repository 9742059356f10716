"""One snapshot's writer between two calls: what is published, what was counted. Sends nothing itself."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from snapshots.engine.build import Build, encode, prepare
from snapshots.engine.cells import Record
from snapshots.engine.chain import Published
from snapshots.engine.frame import MAGIC
from snapshots.engine.names import keys_of
from snapshots.engine.plan import Break, Cause, Options, break_of
from snapshots.engine.policies import POLICIES_KEY, Policy, WireError, from_wire
from snapshots.engine.thresholds import EXACT, guide
from snapshots.publisher._records import changed_of, json_bytes
from snapshots.publisher._write import Terms
from snapshots.publisher.errors import ChainMoved

Command: TypeAlias = tuple[str, ...]
DEFAULT_NAME = "latest"

logger = logging.getLogger(__name__)


@dataclass
class Author:
    """`own`: on which terms it writes while the console says nothing; `policy`: those in force."""

    name: str
    writer: str
    lease: timedelta
    own: Policy
    clock: Callable[[], float] = time.time

    policy: Policy = field(init=False)
    published: Published | None = field(default=None, init=False)
    broken: Break | None = field(default=None, init=False)
    fulls: int = field(default=0, init=False)
    deltas: int = field(default=0, init=False)
    full_bytes: int = field(default=0, init=False)
    delta_bytes: int = field(default=0, init=False)
    bytes_written: int = field(default=0, init=False)
    bytes_saved: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    last_full_bytes: int = field(default=0, init=False)
    last_full: Build | None = field(default=None, init=False)
    bytes_a_ticker: float = field(default=0.0, init=False)  # of the records as JSON, when the last full was made
    _said: bytes | None = field(default=None, init=False)
    _raw: dict[str, bytes] = field(default_factory=dict, init=False)  # the records behind what is published
    _raw_after: dict[str, bytes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.policy = self.own

    @property
    def terms(self) -> Terms:
        return Terms(
            writer=self.writer,
            lease=self.lease,
            full_ttl=self.policy.full_ttl,
            delta_ttl=self.policy.delta_ttl,
            deltas_kept=self.policy.options.deltas_kept,
            aliases=self.policy.aliases,
        )

    def before_a_save(self) -> Generator[Command, Any, None]:
        """Yields commands and takes their replies. One at each save, so an edited policy holds from the next on."""
        said: bytes | None = yield ("HGET", POLICIES_KEY, self.name)
        if said != self._said:
            self._said = said
            self.obey(said)
        if self.published is None and self.broken is None:
            epoch: bytes | None = yield ("HGET", keys_of(self.name).head, "epoch")
            if epoch is not None:
                sentence = f"another process wrote epoch {epoch.decode(errors='replace')}; this one begins its own"
                self.broken = Break(Cause.RESTART, sentence)

    def obey(self, said: bytes | None) -> None:
        """What the console publishes wins over the arguments; one that can't be read changes nothing."""
        try:
            self.policy = self.own if said is None else from_wire(said, name=self.name)
        except WireError as error:
            logger.warning("Keeping the terms in force: %s", error)

    def build(self, snapshot: Mapping[str, Record], *, force_full: bool = False) -> Build:
        """Raises Unpublishable, naming symbol and field; nothing is published then."""
        changed, self._raw_after = changed_of(snapshot, raw_before=self._raw)
        known = self.published.state.row_of if self.published else {}
        prepared = prepare(
            self.published,
            name=self.name,
            new_epoch=secrets.token_hex(8),
            upserts=changed,
            removals=[symbol for symbol in known if symbol not in snapshot],
            now_ms=int(self.clock() * 1000),
            options=self.policy.options,
            broken=self.broken,
            thresholds=self.policy.thresholds,
            forced=force_full,
        )
        return encode(prepared, options=self.policy.options, full_bytes=self.last_full_bytes)

    def confirm(self, build: Build, snapshot: Mapping[str, Record]) -> dict[str, Any]:
        """The write arrived: adopts it. Returns what `save_snapshot` does; sizes are in bytes."""
        self.published, self.broken = build.published, None
        self._raw = self._raw_after
        for symbol in build.held:  # not as published: to be looked at again at the next full
            self._raw.pop(symbol, None)
        self.bytes_written += build.stored_bytes
        result: dict[str, Any] = {"type": build.kind, "ticker_count": build.published.state.tickers}
        if build.full:
            self.fulls += 1
            self.last_full = build
            self.last_full_bytes = size = len(build.full.stored)
            self.full_bytes += size
            original = json_bytes(snapshot)
            self.bytes_a_ticker = original / max(1, len(snapshot))
            ratio = 100 * (1 - size / original)
            result |= {"original_size": original, "compressed_size": size, "compression_ratio": ratio}
        elif build.delta:
            self.deltas += 1
            size = len(build.delta.stored)
            self.delta_bytes += size
            saved = max(0, round(self.bytes_a_ticker * len(snapshot)) - size)
            self.bytes_saved += saved
            compressed = build.delta.stored.startswith(MAGIC)
            skipped = not (build.added or build.updated or build.removed)
            result |= {"size": size, "compressed": compressed, "bytes_saved": saved, "skipped": skipped}
        return result | {
            "added": build.added,
            "updated": build.updated,
            "removed": build.removed,
            "unchanged": build.unchanged,
            "held": len(build.held),
            "sequence": build.published.sequence,
            "epoch": build.published.epoch,
            "cause": str(build.cause) if build.cause else "",
            "reason": build.reason,
        }

    def failed(self, error: Exception) -> None:
        """Whether the write arrived is unknown, so the next document is the full of a new epoch."""
        self.failures += 1
        otherwise = Cause.GAP if isinstance(error, ChainMoved) else Cause.WRITE_FAILED
        self.broken = break_of(error, otherwise=otherwise)

    def stats(self) -> dict[str, Any]:
        """Of this process. What it can't know yet is None."""
        saves = self.fulls + self.deltas
        at = self.last_full.published.ts / 1000 if self.last_full else None
        return {
            "name": self.name,
            "epoch": self.published.epoch if self.published else None,
            "sequence": self.published.sequence if self.published else None,
            "profile": self.policy.thresholds.profile,
            "full_snapshots": self.fulls,
            "delta_snapshots": self.deltas,
            "delta_ratio_percent": f"{100 * self.deltas / saves:.1f}%" if saves else None,
            "avg_full_size_kb": self.full_bytes / self.fulls / 1024 if self.fulls else None,
            "avg_delta_size_kb": self.delta_bytes / self.deltas / 1024 if self.deltas else None,
            "total_bytes_saved_mb": self.bytes_saved / 2**20,
            "bytes_written": self.bytes_written,
            "failures": self.failures,
            "last_full_snapshot": datetime.fromtimestamp(at, tz=UTC).isoformat() if at is not None else None,
            "last_full_reason": self.last_full.reason if self.last_full else None,
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
    price, rvol = min_price_change_percent, min_rvol_change_percent
    own = Policy(
        options=Options(full_interval=interval, compression_threshold=delta_compression_threshold),
        thresholds=EXACT if price is None and rvol is None else guide(price, rvol),
        full_ttl=max(3 * interval, timedelta(minutes=15)),
        aliases=name == DEFAULT_NAME,
    )
    return Author(
        name=name,
        writer=writer or f"SnapshotManager-{secrets.token_hex(4)}",
        lease=timedelta(seconds=lease_seconds),
        own=own,
        clock=clock,
    )
