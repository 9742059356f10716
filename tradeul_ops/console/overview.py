"""Gathers the overview page's panels into one value. Renders nothing and judges nothing; see sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from snapshots.metrics import SnapshotsSummary, snapshots_summary
from streams.metrics import StreamsOverview, streams_overview
from timescale.metrics import HypertablesSummary, hypertables_summary
from tradeul_ops.console.panels import Panel, read
from tradeul_ops.console.processes import Processes, processes_summary

TABLES_WITHIN = 15.0  # seconds: as beat judges them


@dataclass(frozen=True)
class Overview:
    streams: Panel[StreamsOverview]
    snapshots: Panel[SnapshotsSummary]
    hypertables: Panel[HypertablesSummary]
    processes: Panel[Processes]
    read_at: datetime

    @property
    def panels(self) -> tuple[Panel[Any], ...]:
        return (self.streams, self.snapshots, self.hypertables, self.processes)


def read_overview(*, now: datetime, polled: bool = False) -> Overview:
    """`polled`: for a page that is open anyway. Of tables it then tells what a reading of the last seconds said.

    PostgreSQL's catalogue of 300 chunks costs as much as all the rest, and chunks do not come and go in seconds.
    """
    return Overview(
        streams=read("Redis streams", streams_overview, now=now),
        snapshots=read("Snapshots", snapshots_summary, now=now),
        hypertables=read("TimescaleDB", hypertables_summary, now=now, within=TABLES_WITHIN if polled else 0.0),
        processes=read("Worker and beat", processes_summary, now=now),
        read_at=now,
    )
