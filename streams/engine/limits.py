"""A limit: how far one stream may grow. Judges and converts limits; reads and trims nothing.

Its wire form is what the console publishes and every producer reads, so the names of the keys stand here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

LIMITS_KEY = CHANNEL = (
    "tradeul:streams:limits"  # a hash: stream → wire form. The channel of the same name says "changed".
)
VERSION_FIELD = ":version"  # the field of that hash which holds its revision; no stream may be called so
KNOWN_KEY = "tradeul:streams:known"  # a set: every stream that a producer has added to
WIRE_FORMAT = 1

LARGEST = 2**63 - 1  # XTRIM reads a signed 64-bit number
SHORTEST_INTERVAL, LONGEST_INTERVAL = timedelta(seconds=1), timedelta(days=1)


class WireError(ValueError):
    """A published limit can't be read; the message names the stream."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Past `trim_threshold` the stream is cut to `maxlen`, looked at every `trim_interval`.

    With `protect_groups`, entries that a consumer group still needs stay until `hard_maxlen`, where the cap wins.
    """

    stream: str
    maxlen: int
    trim_threshold: int
    trim_interval: timedelta
    approximate: bool = True
    protect_groups: bool = True
    hard_maxlen: int | None = None
    enabled: bool = True

    @property
    def producer_maxlen(self) -> int | None:
        """The cap that XADD may carry. XADD knows no groups: with the soft one, protection would be void."""
        if not self.enabled:
            return None
        return self.hard_maxlen if self.protect_groups else self.maxlen


def limit_errors(
    *,
    stream: str | None,
    maxlen: int | None,
    trim_threshold: int | None,
    trim_interval: timedelta | None,
    protect_groups: bool | None,
    hard_maxlen: int | None,
) -> dict[str, str]:
    """Field → what is wrong with it; empty when the limit holds. None: not known here, and not judged."""
    errors: dict[str, str] = {}
    if stream is not None and (not stream or stream == VERSION_FIELD):
        errors["stream"] = f"stream must be a key's name, and not {VERSION_FIELD}."
    for name, value in (("maxlen", maxlen), ("trim_threshold", trim_threshold), ("hard_maxlen", hard_maxlen)):
        if value is not None and not 1 <= value <= LARGEST:
            errors[name] = f"{name} must be a whole number from 1 to {LARGEST:,}."
    if trim_interval is not None and not SHORTEST_INTERVAL <= trim_interval <= LONGEST_INTERVAL:
        errors["trim_interval"] = "trim_interval must be between one second and one day."
    if maxlen is not None and trim_threshold is not None and trim_threshold < maxlen:
        errors.setdefault("trim_threshold", f"trim_threshold must be at least maxlen ({maxlen:,}).")
    if hard_maxlen is None:
        if protect_groups:
            errors["hard_maxlen"] = (
                "hard_maxlen is required while groups are protected: it is the length at which the cap wins."
            )
    elif trim_threshold is not None and hard_maxlen < trim_threshold:
        errors.setdefault("hard_maxlen", f"hard_maxlen must be at least trim_threshold ({trim_threshold:,}).")
    return errors


def errors_of(limit: Limit) -> dict[str, str]:
    return limit_errors(
        stream=limit.stream,
        maxlen=limit.maxlen,
        trim_threshold=limit.trim_threshold,
        trim_interval=limit.trim_interval,
        protect_groups=limit.protect_groups,
        hard_maxlen=limit.hard_maxlen,
    )


def with_maxlen(limit: Limit, *, maxlen: int) -> Limit:
    """`limit` with another maxlen. A threshold or ceiling that would come to lie below moves in the same proportion."""
    threshold, hard = limit.trim_threshold, limit.hard_maxlen
    if threshold < maxlen:
        threshold = _in_proportion(threshold, of=limit.maxlen, to=maxlen)
    if hard is not None and hard < threshold:
        hard = _in_proportion(hard, of=limit.maxlen, to=maxlen)
    return replace(limit, maxlen=maxlen, trim_threshold=threshold, hard_maxlen=hard)


def _in_proportion(value: int, *, of: int, to: int) -> int:
    return min(LARGEST, -(-value * to // of))  # rounded up: never below what it must stay above


def to_wire(limit: Limit) -> str:
    """The same text for the same limit: the reconciler compares texts."""
    return json.dumps(
        {
            "v": WIRE_FORMAT,
            "maxlen": limit.maxlen,
            "trim_threshold": limit.trim_threshold,
            "trim_interval": limit.trim_interval.total_seconds(),
            "approximate": limit.approximate,
            "protect_groups": limit.protect_groups,
            "hard_maxlen": limit.hard_maxlen,
            "enabled": limit.enabled,
        }
    )


def from_wire(text: str | bytes, *, stream: str) -> Limit:
    """Raises WireError for anything but a valid limit in a format known here. Fields it doesn't know are left alone."""
    try:
        said: Any = json.loads(text)
    except ValueError as error:
        raise WireError(f"the published limit of {stream} is not JSON: {error}.") from error
    if not isinstance(said, Mapping) or said.get("v") != WIRE_FORMAT:
        raise WireError(f"the published limit of {stream} is not of format {WIRE_FORMAT}: update this library.")
    try:
        limit = Limit(
            stream=stream,
            maxlen=_whole(said["maxlen"]),
            trim_threshold=_whole(said["trim_threshold"]),
            trim_interval=timedelta(seconds=float(said["trim_interval"])),
            approximate=bool(said["approximate"]),
            protect_groups=bool(said["protect_groups"]),
            hard_maxlen=None if said["hard_maxlen"] is None else _whole(said["hard_maxlen"]),
            enabled=bool(said["enabled"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WireError(f"the published limit of {stream} lacks or misspells {error}.") from error
    if errors := errors_of(limit):
        raise WireError(f"the published limit of {stream} is invalid: {' '.join(errors.values())}")
    return limit


def _whole(value: object) -> int:
    if type(value) is not int:  # not 1.5, and not true
        raise ValueError(f"{value!r}, which is no whole number")
    return value
