"""Builds the snapshots that are due and records each build. Redis is the store's, decisions are the engine's.

Between ticks this process keeps what it published last, and the source's bytes behind it. Both advance only once
Redis has confirmed the write.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import OuterRef, Subquery

from snapshots import sources, store
from snapshots.engine import source as reading
from snapshots.engine.build import Build, encode, prepare
from snapshots.engine.chain import Published
from snapshots.engine.errors import SnapshotError
from snapshots.engine.plan import Break, Cause, break_of
from snapshots.engine.source import Changes, SourceUnreadable
from snapshots.models import SnapshotBuild, SnapshotPolicy, SourceKind
from tradeul_ops.connections import data_redis
from tradeul_ops.locks import one_at_a_time
from tradeul_ops.runs import Outcome

BUILDS_KEPT = 20_000  # of each policy: more than a day at five seconds
EARLY = timedelta(seconds=1)  # beat does not tick to the millisecond
SHORTEST_LEASE = timedelta(seconds=15)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Memory:
    """What is published, the source's bytes behind it, and why it can't be continued, if so."""

    published: Published | None = None
    raw: Mapping[bytes, bytes] = field(default_factory=dict)
    full_bytes: int = 0
    broken: Break | None = None


_memories: dict[int, Memory] = {}
_guard = threading.Lock()


def build_snapshots(now: datetime) -> list[SnapshotBuild]:
    """Builds what is due. A failure is a row, and does not keep the others from being built."""
    built_here = SnapshotPolicy.objects.filter(enabled=True).exclude(source_kind=SourceKind.MANAGER)
    policies = list(built_here.annotate(built_at=_last_attempt()))
    with _guard:
        for gone in _memories.keys() - {policy.pk for policy in policies}:
            del _memories[gone]
    rows = [build_snapshot(policy, now=now) for policy in policies if _is_due(policy, now)]
    return [row for row in rows if row is not None]


def build_snapshot(policy: SnapshotPolicy, *, now: datetime) -> SnapshotBuild | None:
    """One build and its row; None if another thread or worker is at it."""
    with one_at_a_time(f"snapshots.build:{policy.pk}") as mine:
        if not mine:
            return None
        row = SnapshotBuild(policy=policy, started_at=now)
        began = time.perf_counter()
        try:
            _build(policy, row, now)
        except SnapshotError as error:
            row.outcome, row.detail = Outcome.FAILED, str(error)
            logger.warning("snapshot %s was not built: %s", policy.name, error)
        row.finished_at = now + timedelta(seconds=time.perf_counter() - began)
        try:
            row.save(force_insert=True)
        except IntegrityError:
            logger.warning("snapshot %s: its policy was deleted during the build, which leaves no row.", policy.name)
            return None
        return row


def forget() -> None:
    """As a restart does: the next build reads from Redis what is published."""
    with _guard:
        _memories.clear()


def prune_history() -> int:
    return sum(
        SnapshotBuild.objects.filter(policy=policy).prune(keep=BUILDS_KEPT) for policy in SnapshotPolicy.objects.all()
    )


def _last_attempt() -> Subquery:
    of_policy = SnapshotBuild.objects.filter(policy=OuterRef("pk")).order_by("-id")
    return Subquery(of_policy.values("started_at")[:1])


def _is_due(policy: Any, now: datetime) -> bool:
    if policy.built_at is None:
        return True
    # One that lies in the future was made before somebody put the clock back: nothing would be built until then.
    return not -EARLY <= now - policy.built_at < policy.build_interval - EARLY


def _build(policy: SnapshotPolicy, row: SnapshotBuild, now: datetime) -> None:
    """Fills the row. Raises SnapshotError; nothing that was published is worse for it."""
    client = data_redis()
    with _guard:
        memory = _memories.get(policy.pk, Memory())
    if memory.published is None or memory.published.name != policy.name:
        memory = _from_redis(client, policy)
        with _guard:
            _memories[policy.pk] = memory
    try:
        memory = _publish(client, policy, memory, row, now)
    except store.ChainMoved as error:
        # Another worker of this installation built meanwhile, or Redis lost a key: once more, from what is there.
        before = memory.published
        memory = _from_redis(client, policy, at=before)
        if memory.published is None or memory.published is before:  # nobody built: a key is gone
            broken = memory.broken if memory.broken and memory.broken.cause != Cause.RESTART else None
            memory = replace(memory, broken=broken or Break(Cause.GAP, str(error)))
        memory = _publish(client, policy, memory, row, now)
    with _guard:
        _memories[policy.pk] = memory


def _from_redis(client: Any, policy: SnapshotPolicy, *, at: Published | None = None) -> Memory:
    """What is published already, so that a restart goes on with the chain. Raises StoreUnavailable."""
    try:
        published = store.catch_up(client, name=policy.name, at=at)
        return Memory(published=published, full_bytes=store.read_head(client, name=policy.name).full_bytes)
    except store.NothingPublished as error:
        if not SnapshotBuild.objects.filter(policy=policy, outcome__in=(Outcome.DONE, Outcome.PARTIAL)).exists():
            return Memory()
        return Memory(broken=Break(Cause.RESTART, str(error)))
    except store.StoreUnavailable:
        raise
    except SnapshotError as error:
        return Memory(broken=break_of(error, otherwise=Cause.RESTART))


def _publish(client: Any, policy: SnapshotPolicy, memory: Memory, row: SnapshotBuild, now: datetime) -> Memory:
    """One tick: source → changes → documents → Redis. Returns what to keep in memory now that Redis confirmed it."""
    watch = _Watch()
    changes, row.raw_bytes = _read(client, policy, memory)
    row.read_ms = watch.lap()
    terms = policy.terms
    prepared = prepare(
        memory.published,
        name=policy.name,
        new_epoch=secrets.token_hex(8),
        upserts=changes.upserts,
        removals=changes.removals,
        now_ms=int(now.timestamp() * 1000),
        options=terms.options,
        broken=memory.broken,
        thresholds=terms.thresholds,
    )
    row.diff_ms = watch.lap()
    build = encode(prepared, options=terms.options, full_bytes=memory.full_bytes)
    row.encode_ms = watch.lap()
    try:
        store.write(client, build=build, terms=_terms(policy))
    except store.ChainMoved:
        raise
    except store.StoreError as error:
        with _guard:  # whether it arrived is unknown, so what follows is the full of a new epoch
            _memories[policy.pk] = replace(memory, broken=Break(Cause.WRITE_FAILED, str(error)))
        raise
    row.write_ms = watch.lap()
    _describe(row, build, changes)
    full_bytes = len(build.full.stored) if build.full else memory.full_bytes
    for symbol in build.held:  # not as published: to be read again at the next full, also if it stays as it is
        changes.raw.pop(symbol.encode("utf-8", "replace"), None)
    return Memory(published=build.published, raw=changes.raw, full_bytes=full_bytes)


def _read(client: Any, policy: SnapshotPolicy, memory: Memory) -> tuple[Changes, int | None]:
    """What changed in the source, and the source's bytes; None for a function, which has none."""
    key = policy.source_key
    published = memory.published.state.row_of if memory.published else {}
    if policy.source_kind == SourceKind.CALLABLE:
        function = sources.source(key)
        if function is None:
            there_are = ", ".join(sources.names()) or "none"
            raise SourceUnreadable(f"no function is registered as {key}; there are: {there_are}.")
        return reading.changes_of_records(_called(function, key), published=published, source=key), None
    if policy.source_kind == SourceKind.STRING:
        document = store.read_string(client, key)
        return reading.changes_of_document(document, published=published, source=key), len(document)
    if policy.source_kind == SourceKind.HASH:
        fields = store.read_hash(client, key)
    else:
        fields = store.read_newest_entry(client, key)
        if fields.keys() == {b"data"}:
            document = fields[b"data"]
            return reading.changes_of_document(document, published=published, source=key), len(document)
    changes = reading.changes_of_fields(fields, raw_before=memory.raw, published=published, source=key)
    return changes, sum(map(len, fields)) + sum(map(len, fields.values()))


def _called(function: sources.Source, name: str) -> Any:
    """Raises SourceUnreadable."""
    try:
        return function()
    except SnapshotError:
        raise
    except Exception as error:  # another app's code: its bug must not end the tick for the other policies
        logger.exception("the function %s, a source of snapshots, failed", name)
        raise SourceUnreadable(f"the function {name} failed: {type(error).__name__}: {error}") from error


def _terms(policy: SnapshotPolicy) -> store.Terms:
    terms = policy.terms
    return store.Terms(
        writer=f"tradeul_ops-{policy.writer}",
        lease=max(SHORTEST_LEASE, 3 * policy.build_interval),
        full_ttl=terms.full_ttl,
        delta_ttl=terms.delta_ttl,
        deltas_kept=terms.options.deltas_kept,
        aliases=terms.aliases,
    )


def _describe(row: SnapshotBuild, build: Build, changes: Changes) -> None:
    row.kind, row.cause, row.reason = build.kind, build.cause or "", build.reason
    row.epoch, row.sequence = build.published.epoch, build.published.sequence
    row.tickers = build.published.state.tickers
    row.added, row.updated, row.removed, row.unchanged = build.added, build.updated, build.removed, build.unchanged
    row.held = len(build.held)
    row.stored_bytes = build.stored_bytes
    row.outcome = Outcome.PARTIAL if changes.refused else Outcome.DONE
    row.detail = changes.refusals


class _Watch:
    def __init__(self) -> None:
        self._at = time.perf_counter()

    def lap(self) -> float:
        """Milliseconds since the last lap."""
        before, self._at = self._at, time.perf_counter()
        return (self._at - before) * 1000
