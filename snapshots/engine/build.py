"""Makes the next document of a chain: first what changes, then the bytes. Its caller writes them, and only then adopts.

Two steps, so that the caller can time each; there is no clock in here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from snapshots.engine import codec, frame
from snapshots.engine.chain import Published
from snapshots.engine.codec import Header
from snapshots.engine.delta import Delta, apply, diff
from snapshots.engine.errors import Unpublishable
from snapshots.engine.plan import Break, Cause, Options, Plan, full_due, plan_after_delta, plan_build
from snapshots.engine.state import State, reorder, volume_column
from snapshots.engine.thresholds import EXACT, Thresholds


@dataclass(frozen=True)
class Prepared:
    name: str
    before: State
    after: State
    delta: Delta
    plan: Plan
    epoch: str
    sequence: int
    base: int
    full_ts: int
    ts: int
    profile: str


@dataclass(frozen=True)
class Stored:
    """A document's bytes as Redis keeps them, and how many there were before compression."""

    stored: bytes
    raw_bytes: int


@dataclass(frozen=True)
class Build:
    """`published` is what readers will have; adopt it once the write is confirmed, and never before."""

    published: Published
    full: Stored | None
    delta: Stored | None
    cause: Cause | None  # of a full
    reason: str
    added: int
    updated: int
    removed: int
    unchanged: int
    held: list[str]  # symbols whose changes wait: the source says more than is published

    @property
    def kind(self) -> str:
        return "delta" if self.full is None else "full"

    @property
    def stored_bytes(self) -> int:
        return sum(len(part.stored) for part in (self.full, self.delta) if part)


def prepare(
    published: Published | None,
    *,
    name: str,
    new_epoch: str,
    upserts: State,
    removals: Iterable[str],
    now_ms: int,
    options: Options,
    broken: Break | None = None,
    thresholds: Thresholds = EXACT,
    forced: bool = False,
) -> Prepared:
    """`broken`, if any, says why the chain cannot be continued: a new epoch begins then, with a full.

    `forced`: the caller wants a full. Raises Unpublishable for a state that is too large.
    """
    if published is not None and thresholds.profile != published.profile and broken is None:
        change = f"the profile changed from {published.profile} to {thresholds.profile}"
        broken = Break(Cause.PROFILE, change)
    full_age = timedelta(milliseconds=max(0, now_ms - published.full_ts)) if published else None
    chain_length = published.sequence - published.base if published else 0
    due = forced or bool(broken) or full_due(full_age=full_age, chain_length=chain_length, options=options)
    before = published.state if published else State()
    delta = diff(before, upserts=upserts, removals=removals, thresholds=EXACT if due else thresholds)
    plan = plan_build(
        broken=broken,
        full_age=full_age,
        chain_length=chain_length,
        options=options,
        new_fields=delta.new_fields(before),
        forced=forced,
    )
    fresh = published is None or broken is not None
    return Prepared(
        name=name,
        before=before,
        after=apply(before, delta=delta),
        delta=delta,
        plan=plan,
        epoch=new_epoch if fresh or published is None else published.epoch,
        sequence=1 if fresh or published is None else published.sequence + 1,
        base=0 if published is None else published.base,
        full_ts=0 if published is None else published.full_ts,
        ts=max(now_ms, published.ts) if published else now_ms,
        profile=thresholds.profile,
    )


def encode(prepared: Prepared, *, options: Options, full_bytes: int) -> Build:
    """`full_bytes`: of the last full in Redis. A delta that can't be made becomes a full. Raises Unpublishable."""
    plan, by = prepared.plan, volume_column(prepared.after)
    state = reorder(prepared.after, by=by) if plan.full else prepared.after
    found = state.checksum
    full = delta = None
    if not plan.full or plan.crossing:
        header = _header(prepared, "delta", base=prepared.base, found=found)
        try:
            raw = codec.encode_delta(
                prepared.delta, state=prepared.before, header=header, reorder_by=by, reorders=plan.crossing
            )
            delta = _pack(raw, options)
        except (Unpublishable, LookupError, TypeError, ValueError, ArithmeticError, AssertionError) as error:
            plan = Plan(True, cause=Cause.DELTA_FAILED, reason=f"the delta could not be made: {error!r}")
            state = reorder(prepared.after, by=by)
            found = state.checksum
    if delta is not None and not plan.full:
        plan = plan_after_delta(
            delta_bytes=len(delta.stored), full_bytes=full_bytes, max_delta_ratio=options.max_delta_ratio
        )
        if plan.full:
            state, delta = reorder(prepared.after, by=by), None
            found = state.checksum
    if plan.full:
        header = _header(prepared, "full", base=prepared.sequence, found=found)
        full = _pack(codec.encode_full(state, header=header), options)
    return Build(
        published=Published(
            state=state,
            name=prepared.name,
            epoch=prepared.epoch,
            base=prepared.sequence if full else prepared.base,
            sequence=prepared.sequence,
            ts=prepared.ts,
            full_ts=prepared.ts if full else prepared.full_ts,
            profile=prepared.profile,
            checksum=found,
        ),
        full=full,
        delta=delta,
        cause=plan.cause,
        reason=plan.reason,
        added=prepared.delta.added.tickers,
        updated=prepared.delta.updated,
        removed=len(prepared.delta.removed),
        unchanged=prepared.after.tickers - prepared.delta.added.tickers - prepared.delta.updated,
        held=[symbol for row in prepared.delta.held if (symbol := prepared.before.symbols[row]) is not None],
    )


def _header(prepared: Prepared, kind: codec.Kind, *, base: int, found: str) -> Header:
    return Header(
        kind=kind,
        name=prepared.name,
        epoch=prepared.epoch,
        sequence=prepared.sequence,
        base=base,
        ts=prepared.ts,
        profile=prepared.profile,
        checksum=found,
    )


def _pack(raw: bytes, options: Options) -> Stored:
    stored = frame.pack(raw, level=options.compression_level, threshold=options.compression_threshold)
    return Stored(stored=stored, raw_bytes=len(raw))
