"""The findings with since when each stands, as a value for pages and for beat. Judges none; see sentence."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import redis

from tradeul_ops.console import since
from tradeul_ops.console.overview import Overview
from tradeul_ops.console.sentence import Finding, Verdict, judge

# The panels of an overview, and what the keys of their findings begin with.
SOURCES = ("streams", "snapshots", "hypertables", "processes")


@dataclass(frozen=True)
class Standing:
    """`since` None: the broker, where that is remembered, does not answer."""

    finding: Finding
    since: datetime | None


@dataclass(frozen=True)
class Findings:
    """`standing` in the verdict's order, the worst first."""

    verdict: Verdict
    standing: tuple[Standing, ...]
    unread: tuple[str, ...]
    read_at: datetime


def judge_and_note(overview: Overview) -> Findings:
    """Raises no error of the broker: without it nobody knows since when, and that is all."""
    verdict, now = judge(overview), overview.read_at
    unread = tuple(source for source in SOURCES if getattr(overview, source).stale)
    times: Mapping[str, datetime] = {}
    with suppress(redis.RedisError):
        times = since.note(verdict.findings, unread=unread, now=now)
    standing = tuple(Standing(finding, times.get(finding.key)) for finding in verdict.findings)
    return Findings(verdict, standing, unread, now)
