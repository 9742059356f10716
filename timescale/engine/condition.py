"""Gives the word for a table's state: within, attention, over or unknown. Knows no colours and no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.engine.policies import BATCHED_DELETE, DAY, LONGEST, WantedTable, enforced_by

Word = Literal["within", "attention", "over", "unknown"]
BEAT_PERIOD = timedelta(seconds=30)  # of timescale.enforce_retention in the beat table


@dataclass(frozen=True)
class Condition:
    word: Word
    why: str


def slack(wanted: WantedTable, *, edition: Edition, is_hypertable: bool) -> timedelta:
    """How far past drop_after the oldest row may lie while everything works.

    A chunk goes as a whole, once its newest row is too old, and only when somebody looks: a job looks every
    schedule_interval, beat every period. A date column's oldest day is partly within the bound.
    """
    by = enforced_by(edition, is_hypertable=is_hypertable)
    if by == BATCHED_DELETE:
        return 2 * BEAT_PERIOD + (DAY if wanted.time_is_date else timedelta(0))
    looks_every = wanted.schedule_interval if edition is Edition.COMMUNITY else 2 * BEAT_PERIOD
    return wanted.chunk_time_interval + looks_every


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def judge(
    wanted: WantedTable,
    *,
    now: datetime,
    oldest_at: datetime | None,
    unreadable: str | None,
    allowed: timedelta,
    failure: str | None,
    remarks: Sequence[str],
) -> Condition:
    """`oldest_at` None with `unreadable` None is an empty table. `remarks`: what else a person should know."""
    if unreadable is not None:
        return Condition("unknown", unreadable)
    kept = spell(wanted.drop_after)
    past = now - oldest_at - wanted.drop_after - allowed if oldest_at is not None else timedelta(0)
    if wanted.enabled and past > timedelta(0):
        because = f": {failure}" if failure else "; nothing has dropped it yet"
        return Condition(
            "over", f"The oldest row is {spell(past)} past its {kept} and the {spell(allowed)} allowed{because}."
        )
    if not wanted.enabled:
        return Condition("attention", "Nobody bounds this table: its policy is disabled.")
    if failure:
        return Condition("attention", " ".join((f"The last run failed: {_sentence(failure)}", *remarks)))
    if remarks:
        return Condition("attention", " ".join(remarks))
    if oldest_at is None:
        return Condition("within", "No rows.")
    if wanted.drop_after >= LONGEST:
        return Condition("within", "Everything is kept for now.")
    return Condition("within", f"No row is older than {kept} and the {spell(allowed)} allowed.")
