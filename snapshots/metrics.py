"""What the pages and the metrics endpoint show of snapshots, as values. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median_low

from django.db.models import Count, F, OuterRef, Q, Subquery, Sum, Window
from django.db.models.functions import RowNumber

from snapshots import store
from snapshots.engine.condition import condition
from snapshots.models import SnapshotBuild, SnapshotPolicy, SourceKind
from snapshots.store import Head, Held
from tradeul_ops.connections import data_redis
from tradeul_ops.runs import Outcome

MEDIAN_OF = 60  # builds
BUILT = (Outcome.DONE, Outcome.PARTIAL)


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
    policies = list(SnapshotPolicy.objects.all())
    newest = _newest_builds()
    medians = _delta_medians()
    totals = SnapshotBuild.objects.filter(outcome__in=BUILT).aggregate(
        saved=Sum(F("raw_bytes") - F("stored_bytes")),
        fulls=Count("pk", filter=Q(kind="full")),
        deltas=Count("pk", filter=Q(kind="delta")),
    )
    return SnapshotsSummary(
        rows=tuple(_row(policy, newest.get(policy.pk, {}), medians.get(policy.pk), now) for policy in policies),
        fulls=totals["fulls"],
        deltas=totals["deltas"],
        saved_bytes=totals["saved"] or 0,
        read_at=now,
    )


def _newest_builds() -> dict[int, dict[str, SnapshotBuild]]:
    """Policy → its newest build that succeeded, and its newest that failed."""
    found: dict[int, dict[str, SnapshotBuild]] = defaultdict(dict)
    for word, outcomes in (("built", BUILT), ("failed", (Outcome.FAILED,))):
        newest = (
            SnapshotBuild.objects.filter(policy=OuterRef("pk"), outcome__in=outcomes).order_by("-id").values("id")[:1]
        )
        ids = SnapshotPolicy.objects.annotate(newest=Subquery(newest)).values("newest")
        for build in SnapshotBuild.objects.filter(id__in=ids):
            found[build.policy_id][word] = build
    return found


def _delta_medians() -> dict[int, int]:
    """Policy → median of what its last deltas took in Redis."""
    numbered = SnapshotBuild.objects.filter(outcome__in=BUILT, stored_bytes__isnull=False).annotate(
        number=Window(RowNumber(), partition_by="policy", order_by=F("id").desc())
    )
    sizes: dict[int, list[int]] = defaultdict(list)
    for policy_id, kind, size in numbered.filter(number__lte=MEDIAN_OF).values_list("policy", "kind", "stored_bytes"):
        if kind == "delta":
            sizes[policy_id].append(size)
    return {policy_id: median_low(values) for policy_id, values in sizes.items()}


def _row(
    policy: SnapshotPolicy, newest: dict[str, SnapshotBuild], delta_median: int | None, now: datetime
) -> SnapshotRow:
    built, failed = newest.get("built"), newest.get("failed")
    head, held = _in_redis(policy, built)
    last_failed = failed.detail if failed is not None and (built is None or failed.pk > built.pk) else ""
    published_at = built.started_at if built else None
    if policy.source_kind == SourceKind.MANAGER and head:  # a service builds it, and leaves no row here
        published_at = datetime.fromtimestamp(head.ts / 1000, tz=UTC)
    age = now - published_at if published_at else None
    word, why = condition(
        enabled=policy.enabled,
        age=age,
        build_interval=policy.build_interval,
        full_interval=policy.full_snapshot_interval,
        broken=held.broken,
        refusals=built.detail if built else "",
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
        raw_bytes=built.raw_bytes if built else None,
        full_bytes=head.full_bytes if head else None,
        delta_bytes=head.delta_bytes if head else None,
        delta_median_bytes=delta_median,
        chain_length=head.sequence - head.base if head else None,
        age=age,
        full_age=now - datetime.fromtimestamp(head.full_ts / 1000, tz=UTC) if head else None,
        last_kind=built.kind if built else head.kind if head else None,
        last_reason=built.reason if built else "",
        last_failed=last_failed,
        build_ms=built.took_ms if built else None,
        stored_bytes=held.bytes,
    )


def _in_redis(policy: SnapshotPolicy, built: SnapshotBuild | None) -> tuple[Head | None, Held]:
    client = data_redis()
    try:
        head = store.read_head(client, name=policy.name)
        return head, store.read_held(client, policy.name, head=head, aliases=policy.is_default)
    except store.NothingPublished:
        broken = f"{policy.name} is gone from Redis; the next build publishes it anew." if built else ""
        return None, Held(bytes=0, broken=broken)
    except store.StoreRefused as error:
        return None, Held(bytes=None, broken=str(error))
