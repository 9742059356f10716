"""A limit: how far one stream may grow. Judges limits; reads and trims nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

LARGEST = 2**63 - 1  # XTRIM reads a signed 64-bit number
SHORTEST_INTERVAL, LONGEST_INTERVAL = timedelta(seconds=1), timedelta(days=1)
SHORTEST_AGE, LONGEST_AGE = timedelta(seconds=1), timedelta(days=36_500)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Past `trim_threshold` a stream is cut to `maxlen`, looked at every `trim_interval`; entries older than `max_age`
    go, and so many that the rest fits into `max_bytes`. None: no such bound, but one of the three there always is.

    With `protect_groups`, entries that a consumer group still needs stay until `hard_maxlen` entries, where the cap
    wins. A group whose consumers were all idle for `ignore_groups_idle_for` is not waited for.
    """

    maxlen: int | None = None
    trim_threshold: int | None = None
    max_age: timedelta | None = None
    max_bytes: int | None = None
    trim_interval: timedelta
    approximate: bool = True
    protect_groups: bool = True
    hard_maxlen: int | None = None
    ignore_groups_idle_for: timedelta | None = None
    enabled: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit(Bounds):
    """What holds for one stream; see rules.Rules, which find it."""

    stream: str

    @property
    def producer_maxlen(self) -> int | None:
        """The cap that XADD may carry. XADD knows no groups: with the soft one, protection would be void."""
        if not self.enabled:
            return None
        return self.hard_maxlen if self.protect_groups or self.maxlen is None else self.maxlen

    @property
    def starts_at(self) -> int:
        """The length above which a sweep cuts, its interval over or not. LARGEST where only age bounds the stream."""
        return LARGEST if self.maxlen is None else self.trim_threshold or self.maxlen


AnyBounds = TypeVar("AnyBounds", bound=Bounds)


# What bounds_errors is told; and of that the bounds: at least one there must be, and the threshold with the first.
JUDGED = (
    "maxlen",
    "trim_threshold",
    "max_age",
    "max_bytes",
    "trim_interval",
    "protect_groups",
    "hard_maxlen",
    "ignore_groups_idle_for",
)
BOUNDING = {"maxlen", "trim_threshold", "max_age", "max_bytes"}


def bounds_errors(
    *,
    maxlen: int | None,
    trim_threshold: int | None,
    max_age: timedelta | None,
    max_bytes: int | None,
    trim_interval: timedelta | None,
    protect_groups: bool | None,
    hard_maxlen: int | None,
    ignore_groups_idle_for: timedelta | None,
) -> dict[str, str]:
    """Field → what is wrong with it; empty when the bounds hold. `protect_groups` or `trim_interval` None: unknown."""
    errors: dict[str, str] = {}
    counts = {"maxlen": maxlen, "trim_threshold": trim_threshold, "max_bytes": max_bytes, "hard_maxlen": hard_maxlen}
    for name, count in counts.items():
        if count is not None and not 1 <= count <= LARGEST:
            errors[name] = f"{name} must be a whole number from 1 to {LARGEST:,}."
    for name, age in {"max_age": max_age, "ignore_groups_idle_for": ignore_groups_idle_for}.items():
        if age is not None and not SHORTEST_AGE <= age <= LONGEST_AGE:
            errors[name] = f"{name} must be between one second and 100 years."
    if trim_interval is not None and not SHORTEST_INTERVAL <= trim_interval <= LONGEST_INTERVAL:
        errors["trim_interval"] = "trim_interval must be between one second and one day."
    if maxlen is None and max_age is None and max_bytes is None:
        errors["maxlen"] = "A limit needs one of maxlen, max_age and max_bytes."
    if maxlen is not None and trim_threshold is None:
        errors["trim_threshold"] = "trim_threshold is required with maxlen; the same number cuts at every sweep."
    elif maxlen is None and trim_threshold is not None and "maxlen" not in errors:
        errors["trim_threshold"] = "trim_threshold belongs to maxlen, and there is none."
    elif maxlen is not None and trim_threshold is not None and trim_threshold < maxlen:
        errors.setdefault("trim_threshold", f"trim_threshold must be at least maxlen ({maxlen:,}).")
    if hard_maxlen is None:
        if protect_groups:
            errors["hard_maxlen"] = (
                "hard_maxlen is required while groups are protected: it is the length at which the cap wins."
            )
    elif trim_threshold is not None and hard_maxlen < trim_threshold:
        errors.setdefault("hard_maxlen", f"hard_maxlen must be at least trim_threshold ({trim_threshold:,}).")
    return errors


def errors_of(bounds: Bounds) -> dict[str, str]:
    return bounds_errors(**{name: getattr(bounds, name) for name in JUDGED})


def with_maxlen(bounds: AnyBounds, *, maxlen: int) -> AnyBounds:
    """Another maxlen. A threshold or ceiling that would come to lie below moves in the same proportion."""
    old, threshold, hard = bounds.maxlen or maxlen, bounds.trim_threshold or maxlen, bounds.hard_maxlen
    if threshold < maxlen:
        threshold = _in_proportion(threshold, of=old, to=maxlen)
    if hard is not None and hard < threshold:
        hard = max(threshold, _in_proportion(hard, of=old, to=maxlen))
    return replace(bounds, maxlen=maxlen, trim_threshold=threshold, hard_maxlen=hard)


def _in_proportion(value: int, *, of: int, to: int) -> int:
    return min(LARGEST, -(-value * to // of))  # rounded up: never below what it must stay above
