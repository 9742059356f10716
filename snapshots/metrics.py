"""What the pages and the metrics endpoint show of snapshots, as values. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from snapshots import store
from snapshots.engine.condition import condition
from snapshots.models import SnapshotPolicy, SourceKind
from snapshots.services.newest import Newest, builds_on_record, newest_builds
from snapshots.store import Head, Held
from tradeul_ops.connections import data_redis


@dataclass(frozen=True)
class SnapshotRow:
    """`raw_bytes`: of the source; `age`: since the last successful build; `stored_bytes`: all its keys in Redis now."""

    policy_id: int
    name: str
    enabled: bool
    source_key: str
    condition: str
    why: str
    epoch: str | None
    sequence: int | None
    tickers: int | None
    raw_bytes: int | None
    full_bytes: int | None
    delta_bytes: int | None
    delta_median_bytes: int | None
    chain_length: int | None
    age: timedelta | None
    full_age: timedelta | None
    last_kind: str | None
    last_reason: str
    last_failed: str
    build_ms: float | None
    stored_bytes: int | None

    @property
    def delta_ratio(self) -> float | None:
        """What a tick writes, to what the source holds."""
        if not self.raw_bytes or self.delta_median_bytes is None:
            return None
        return self.delta_median_bytes / self.raw_bytes


@dataclass(frozen=True)
class SnapshotsSummary:
    """`saved_bytes`: the sources' bytes minus what was written, over the builds on record."""

    rows: tuple[SnapshotRow, ...]
    fulls: int
    deltas: int
    saved_bytes: int
    read_at: datetime


def snapshots_summary(*, now: datetime) -> SnapshotsSummary:
    """Raises snapshots.store.StoreUnavailable when Redis is away."""
    newest, totals = newest_builds(), builds_on_record()
    return SnapshotsSummary(
        rows=tuple(_row(policy, newest.get(policy.pk, Newest()), now) for policy in SnapshotPolicy.objects.all()),
        fulls=totals.fulls,
        deltas=totals.deltas,
        saved_bytes=totals.saved_bytes,
        read_at=now,
    )


def _row(policy: SnapshotPolicy, newest: Newest, now: datetime) -> SnapshotRow:
    head, held = _in_redis(policy, newest)
    last_failed, published_at = newest.failed or "", newest.started_at
    if policy.source_kind == SourceKind.MANAGER and head:  # a service builds it, and leaves no row here
        published_at = datetime.fromtimestamp(head.ts / 1000, tz=UTC)
    age = now - published_at if published_at else None
    word, why = condition(
        enabled=policy.enabled,
        age=age,
        build_interval=policy.build_interval,
        full_interval=policy.full_snapshot_interval,
        broken=held.broken,
        refusals=newest.detail or "",
        last_failed=last_failed,
    )
    return SnapshotRow(
        policy_id=policy.pk,
        name=policy.name,
        enabled=policy.enabled,
        source_key=policy.source_key,
        condition=word,
        why=why,
        epoch=head.epoch if head else None,
        sequence=head.sequence if head else None,
        tickers=head.tickers if head else None,
        raw_bytes=newest.raw_bytes,
        full_bytes=head.full_bytes if head else None,
        delta_bytes=head.delta_bytes if head else None,
        delta_median_bytes=newest.delta_median_bytes,
        chain_length=head.sequence - head.base if head else None,
        age=age,
        full_age=now - datetime.fromtimestamp(head.full_ts / 1000, tz=UTC) if head else None,
        last_kind=newest.kind if newest.kind is not None else head.kind if head else None,
        last_reason=newest.reason or "",
        last_failed=last_failed,
        build_ms=newest.took_ms,
        stored_bytes=held.bytes,
    )


def _in_redis(policy: SnapshotPolicy, newest: Newest) -> tuple[Head | None, Held]:
    client = data_redis()
    try:
        head = store.read_head(client, name=policy.name)
        return head, store.read_held(client, policy.name, head=head, aliases=policy.is_default)
    except store.NothingPublished:
        broken = f"{policy.name} is gone from Redis; the next build publishes it anew." if newest.started_at else ""
        return None, Held(bytes=0, broken=broken)
    except store.StoreRefused as error:
        return None, Held(bytes=None, broken=str(error))
