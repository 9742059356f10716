"""Gives the word for a snapshot's condition, and the sentence why. Reads nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

Condition = Literal["within", "attention", "over", "unknown"]


def condition(
    *,
    enabled: bool,
    age: timedelta | None,
    build_interval: timedelta,
    full_interval: timedelta,
    broken: str,
    refusals: str,
    last_failed: str,
) -> tuple[Condition, str]:
    """`age` since the last successful build, None if there was none; `broken` says why readers cannot follow.

    `refusals`: which records that build had to leave as they were.
    """
    if not enabled:
        return "unknown", "Not enabled: nothing is built."
    if age is None:
        return "unknown", f"Never built{': ' + last_failed if last_failed else '.'}"
    if broken:
        return "over", broken
    seconds = age.total_seconds()
    if age >= full_interval:
        return "over", _with(last_failed, f"Last built {seconds:.0f} s ago")
    if age > 3 * build_interval:
        return "attention", _with(last_failed, f"Last built {seconds:.0f} s ago")
    if last_failed:
        return "attention", f"The newest build failed: {last_failed}"
    if refusals:
        return "attention", refusals
    return "within", f"Built {seconds:.0f} s ago."


def _with(last_failed: str, sentence: str) -> str:
    return f"{sentence}: {last_failed}" if last_failed else f"{sentence}."
