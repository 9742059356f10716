"""The wire form of rules: what the console publishes, and every producer reads. Sends nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from streams.engine.rules import BOUNDS, CEILING, VERSION, Rule, rule_errors

LIMITS_KEY = CHANNEL = (
    "tradeul:streams:limits"  # a hash: key of a rule → wire form. The channel of the same name says "changed".
)
VERSION_FIELD = VERSION  # the field of that hash which holds its revision
KNOWN_KEY = "tradeul:streams:known"  # a set: every stream that a producer has added to
WIRE_FORMAT = 1

SPANS = ("trim_interval", "max_age", "ignore_groups_idle_for")  # seconds on the wire
COUNTS = ("priority", "maxlen", "trim_threshold", "max_bytes", "hard_maxlen")
SWITCHES = ("approximate", "protect_groups", "enabled")


class WireError(ValueError):
    """A published rule can't be read; the message names its pattern."""


def to_wire(rule: Rule) -> str:
    """The same text for the same rule: the reconciler compares texts."""
    said: dict[str, Any] = {"v": WIRE_FORMAT, "priority": rule.priority}
    for name in BOUNDS:
        value = getattr(rule, name)
        said[name] = value.total_seconds() if isinstance(value, timedelta) else value
    return json.dumps(said)


def from_wire(text: str | bytes, *, key: str) -> Rule:
    """Raises WireError for anything but a valid rule in a format known here. Fields it doesn't know are left alone."""
    pattern = key.removeprefix(CEILING)
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"the published limit of {pattern} is not JSON: {error}.") from error
    if not isinstance(said, Mapping) or said.get("v") != WIRE_FORMAT:
        raise WireError(f"the published limit of {pattern} is not of format {WIRE_FORMAT}: update this library.")
    try:
        rule = Rule(
            pattern=pattern,
            is_ceiling=key.startswith(CEILING),
            **_fields(said),
        )
        errors = rule_errors(rule)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WireError(f"the published limit of {pattern} lacks or misspells {error}.") from error
    if errors:
        raise WireError(f"the published limit of {pattern} is invalid: {' '.join(errors.values())}")
    return rule


def _fields(said: Mapping[str, Any]) -> dict[str, Any]:
    spans = {name: _span(said[name]) for name in SPANS}
    counts = {name: _whole(said[name]) for name in COUNTS}
    if spans["trim_interval"] is None or counts["priority"] is None:
        raise ValueError("trim_interval or priority, which must be numbers")
    return {**spans, **counts, **{name: bool(said[name]) for name in SWITCHES}}


def _whole(value: object) -> Any:
    if value is not None and type(value) is not int:  # not 1.5, and not true
        raise ValueError(f"{value!r}, which is no whole number")
    return value


def _span(value: object) -> Any:
    if value is None:
        return None
    if type(value) not in (int, float):
        raise ValueError(f"{value!r}, which is no number of seconds")
    return timedelta(seconds=float(value))  # type: ignore[arg-type]
