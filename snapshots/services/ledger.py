"""What the pages tell of one snapshot: its builds, when its chain broke, a full's first rows, and test restores."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np
from django.db.models import QuerySet

from snapshots import store
from snapshots.engine import chain, codec, frame
from snapshots.engine.cells import MISSING, Cell, thaw
from snapshots.engine.errors import SnapshotError
from snapshots.engine.names import keys_of
from snapshots.engine.plan import Cause
from snapshots.models import SnapshotBuild, SnapshotPolicy
from snapshots.publisher.errors import NothingPublished, redis_errors
from snapshots.services.kept import Kept
from snapshots.services.serving import read_head, stored_full
from tradeul_ops.connections import data_redis
from tradeul_ops.locks import one_at_a_time

logger = logging.getLogger(__name__)

BUILDS_SHOWN = 30
TOP_ROWS = 50
RESTORE_KEPT = timedelta(days=7)
BROKEN = (Cause.GAP, Cause.CHECKSUM, Cause.WRITE_FAILED, Cause.DELTA_FAILED, Cause.RESTART)

# How the values of a Restore are read back, by the type of the field.
WIRE: dict[str, Callable[[str], Any]] = {"datetime": datetime.fromisoformat, "int": int, "float": float, "str": str}

_top_rows = Kept(max_bytes=8, size_of=lambda _: 1)  # eight of them: they are small


@dataclass(frozen=True)
class Restore:
    """A rebuild from Redis, as a reader who comes late does it. `error`: "" if its state is the writer's."""

    at: datetime
    sequence: int
    base: int
    tickers: int
    deltas: int
    read_bytes: int
    read_ms: float
    rebuild_ms: float
    error: str

    @property
    def took_ms(self) -> float:
        return self.read_ms + self.rebuild_ms


class RestoreUnderWay(SnapshotError):
    """Somebody else's is not done yet; one takes a second of a core."""


def recent_builds(policy: SnapshotPolicy) -> QuerySet[SnapshotBuild]:
    return SnapshotBuild.objects.filter(policy=policy)[:BUILDS_SHOWN]


def chain_broken(policy: SnapshotPolicy) -> SnapshotBuild | None:
    """The newest build that could not continue the chain before it. None if there is none on record."""
    return SnapshotBuild.objects.filter(policy=policy, cause__in=BROKEN).first()


def test_restore(policy: SnapshotPolicy, *, now: datetime) -> Restore:
    """Rebuilds what is published and keeps the result in Redis for the page. Raises a StoreError or RestoreUnderWay."""
    with one_at_a_time("snapshots.restore") as mine:
        if not mine:
            raise RestoreUnderWay("Another test restore is under way; try again in a moment.")
        found = _restored(policy.name, now)
    _keep(policy.name, found)
    return found


def test_restores(*, now: datetime) -> tuple[Restore, ...]:
    """One of every enabled policy that has something published. A chain that is broken is a warning in the log."""
    done = []
    for policy in SnapshotPolicy.objects.filter(enabled=True):
        try:
            done.append(test_restore(policy, now=now))
        except (NothingPublished, store.TooOld, RestoreUnderWay):
            continue
        if done[-1].error:
            logger.warning("%s: %s", policy.name, done[-1].error)
    return tuple(done)


def last_restore(name: str) -> Restore | None:
    """Raises a StoreError."""
    with redis_errors(name):
        kept: Any = data_redis().hgetall(_restore_key(name))
    if not kept:
        return None
    said = {key.decode(): value.decode() for key, value in kept.items()}
    try:
        kinds = {field.name: WIRE[str(field.type)] for field in fields(Restore)}
        values: dict[str, Any] = {name: kind(said[name]) for name, kind in kinds.items()}
        return Restore(**values)
    except (KeyError, ValueError):  # of another release: no result is better than a wrong one
        return None


def _restored(name: str, now: datetime) -> Restore:
    began = time.perf_counter()
    head = store.read_head(data_redis(), name=name)
    full = store.read_full(data_redis(), name)
    deltas = store.read_deltas(data_redis(), name, head=head, since=head.base)
    read = time.perf_counter()
    tickers, error, what = 0, "", f"full {head.base}"
    try:
        at = chain.open_full(codec.read(frame.unpack(full)))
        for number, stored in enumerate(deltas, start=head.base + 1):
            what = f"delta {number}"
            at = chain.follow(at, document=codec.read(frame.unpack(stored)))
        tickers = at.state.tickers
    except SnapshotError as failure:
        error = f"The chain is broken at {what}: {failure}"
    return Restore(
        at=now,
        sequence=head.sequence,
        base=head.base,
        tickers=tickers,
        deltas=len(deltas),
        read_bytes=len(full) + sum(map(len, deltas)),
        read_ms=(read - began) * 1000,
        rebuild_ms=(time.perf_counter() - read) * 1000,
        error=error,
    )


def _keep(name: str, found: Restore) -> None:
    key = _restore_key(name)
    with redis_errors(name):
        client = data_redis()
        said: dict[Any, Any] = {**asdict(found), "at": found.at.isoformat()}
        client.hset(key, mapping=said)
        client.expire(key, RESTORE_KEPT)


def _restore_key(name: str) -> str:
    return keys_of(name).full.removesuffix("full") + "restore"


@dataclass(frozen=True)
class TopRows:
    """The first rows of the newest full, each with a cell for each column; None where the field is not there."""

    at: datetime
    tickers: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]


def top_rows(name: str, *, columns: tuple[str, ...]) -> TopRows:
    """Of the full, which is ordered by volume: the deltas since are for readers that follow. Raises a StoreError."""
    head = read_head(name)
    key = (name, head.epoch, head.base, columns)
    found: TopRows = _top_rows.get(key, lambda: _first_rows(stored_full(name, head=head), columns))
    return found


def _first_rows(stored: bytes, columns: tuple[str, ...]) -> TopRows:
    at = chain.open_full(codec.read(store.unpacked(stored)))
    columns_of = at.state.columns
    shown = tuple(name for name in columns if name in columns_of) or tuple(columns_of)[: len(columns)]
    top = np.arange(min(TOP_ROWS, at.state.tickers))
    cells = [list(map(_value, columns_of[name].take(top).cells())) for name in shown]
    symbols = islice(at.state.row_of, TOP_ROWS)
    return TopRows(
        at=datetime.fromtimestamp(at.ts / 1000, tz=UTC),
        tickers=at.state.tickers,
        columns=shown,
        rows=tuple((symbol, tuple(column[row] for column in cells)) for row, symbol in enumerate(symbols)),
    )


def _value(cell: Cell) -> Any:
    return None if cell is MISSING else thaw(cell)
