"""Decides whether the next document is a full, and why. Looks at nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import ceil

from snapshots.engine.errors import ChainBroken, ChecksumMismatch, DocumentUnreadable

# Below this many bytes a full in place of a large delta saves nothing worth a reader's second request.
RATIO_FROM_BYTES = 16_384


class Cause(StrEnum):
    """Why a full is built, in one word; a sentence goes with it."""

    FIRST = "first"
    INTERVAL = "interval"
    SCHEMA = "schema"
    SIZE = "size"
    PROFILE = "profile"
    FORCED = "forced"
    GAP = "gap"
    CHECKSUM = "checksum"
    WRITE_FAILED = "write failed"
    DELTA_FAILED = "delta failed"
    RESTART = "restart"


@dataclass(frozen=True)
class Break:
    """Why the chain can't be continued: the next document is the full of a new epoch."""

    cause: Cause
    sentence: str


def break_of(error: Exception, *, otherwise: Cause) -> Break:
    if isinstance(error, ChecksumMismatch | DocumentUnreadable):
        return Break(Cause.CHECKSUM, str(error))
    return Break(Cause.GAP if isinstance(error, ChainBroken) else otherwise, str(error))


@dataclass(frozen=True)
class Options:
    """How one snapshot is built; checked here as well as by the row's constraints."""

    full_interval: timedelta = timedelta(seconds=300)
    compression_threshold: int = 100  # bytes; smaller documents are stored as they are
    compression_level: int = 9
    max_delta_ratio: float = 0.6  # of the last full's bytes
    max_chain: int = 300  # deltas on one full

    def __post_init__(self) -> None:
        if self.full_interval <= timedelta(0):
            raise ValueError(f"full_interval is {self.full_interval}; it must be above zero.")
        if not 1 <= self.compression_level <= 19:  # a browser reads windows of up to 8 MB: not the levels above
            raise ValueError(f"compression_level is {self.compression_level}; it must be from 1 to 19.")
        if self.compression_threshold < 0:
            raise ValueError(f"compression_threshold is {self.compression_threshold}; it must not be negative.")
        if not 0 < self.max_delta_ratio <= 1:
            raise ValueError(f"max_delta_ratio is {self.max_delta_ratio}; it must be above 0 and at most 1.")
        if self.max_chain < 1:
            raise ValueError(f"max_chain is {self.max_chain}; it must be at least 1.")

    @property
    def deltas_kept(self) -> int:
        """At most so many in the stream: two chains, so that a reader who is late by one full still catches up."""
        return 2 * self.max_chain + 2


@dataclass(frozen=True)
class Plan:
    """`crossing`: a delta is written too, so that who follows the chain need not read the full."""

    full: bool
    crossing: bool = False
    cause: Cause | None = None  # of a full
    reason: str = ""


def full_due(*, full_age: timedelta | None, chain_length: int, options: Options) -> bool:
    return full_age is None or full_age >= options.full_interval or chain_length >= options.max_chain


def plan_build(
    *,
    broken: Break | None,
    full_age: timedelta | None,
    chain_length: int,
    options: Options,
    new_fields: Sequence[str],
    forced: bool = False,
) -> Plan:
    """`full_age` is None if there never was a full."""
    if broken is not None:
        return Plan(True, cause=broken.cause, reason=broken.sentence)
    if full_age is None:
        return Plan(True, cause=Cause.FIRST, reason="first build")
    if new_fields:
        names = f"{', '.join(new_fields[:3])}{'…' if len(new_fields) > 3 else ''}"
        return Plan(True, cause=Cause.SCHEMA, reason=f"new field {names}")
    if full_due(full_age=full_age, chain_length=chain_length, options=options):
        age = f"the last full is {full_age.total_seconds():.0f} s and {chain_length} deltas old"
        return Plan(True, crossing=True, cause=Cause.INTERVAL, reason=age)
    if forced:
        return Plan(True, crossing=True, cause=Cause.FORCED, reason="a full was asked for")
    return Plan(False)


def plan_after_delta(*, delta_bytes: int, full_bytes: int, max_delta_ratio: float) -> Plan:
    """The second look, once the delta's size is known."""
    if delta_bytes > RATIO_FROM_BYTES and delta_bytes > max_delta_ratio * full_bytes:
        share = f"the delta has {delta_bytes / full_bytes:.0%} of the last full's bytes"
        return Plan(True, cause=Cause.SIZE, reason=share)
    return Plan(False)


def max_chain_of(*, full_interval: timedelta, build_interval: timedelta) -> int:
    """The deltas of one full interval, and one for a tick that came early."""
    return ceil(full_interval / build_interval) + 1
