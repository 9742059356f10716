"""What the console saved so far, domain by domain, each with how that is known. Reads nothing but an overview."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from snapshots.metrics import SnapshotsSummary
from streams.metrics import StreamsOverview
from timescale.metrics import HypertablesSummary
from tradeul_ops.console.overview import Overview
from tradeul_ops.console.templatetags.figures import bytes_, count


@dataclass(frozen=True)
class Saved:
    """`text` is what was saved, `how` how it is computed."""

    domain: str
    text: str
    how: str


def saved_so_far(overview: Overview) -> tuple[Saved, ...]:
    """Of each domain that was ever read."""
    found = []
    if (streams := overview.streams.value) is not None:
        found.append(_of_streams(streams))
    if (snapshots := overview.snapshots.value) is not None:
        found.append(_of_snapshots(snapshots))
    if (tables := overview.hypertables.value) is not None:
        found.append(_of_tables(tables))
    return tuple(found)


def _of_streams(summary: StreamsOverview) -> Saved:
    return Saved(
        "streams",
        f"{count(summary.trimmed_entries)} entries, {bytes_(summary.trimmed_bytes)}",
        gettext(
            "Trimmed since install: the entries each trim removed, and MEMORY USAGE before it minus after "
            "it, which is the server’s estimate. What producers trim as they add is not in it."
        ),
    )


def _of_snapshots(summary: SnapshotsSummary) -> Saved:
    builds = summary.fulls + summary.deltas
    return Saved(
        "snapshots",
        gettext("{saved_bytes} not written").format(saved_bytes=bytes_(summary.saved_bytes)),
        gettext(
            "The source’s bytes minus what was written to Redis, added up over the {builds} builds on record "
            "({fulls} fulls, {deltas} deltas); older ones are pruned."
        ).format(builds=count(builds), fulls=count(summary.fulls), deltas=count(summary.deltas)),
    )


def _of_tables(summary: HypertablesSummary) -> Saved:
    """Compression counts what is compressed now; what a job dropped nobody counts."""
    pairs = [(row.sizes.before_bytes, row.sizes.after_bytes) for row in summary.rows]
    known = [before - after for before, after in pairs if before is not None and after is not None]
    compressed = gettext("{known} by compression, ").format(known=bytes_(sum(known))) if known else ""
    return Saved(
        "tables",
        gettext("{compressed}{dropped_rows} rows dropped").format(
            compressed=compressed, dropped_rows=count(summary.dropped_rows)
        ),
        gettext(
            "Compression: what the chunks that are compressed now took before, minus what they take. Rows: "
            "those that beat dropped in the runs on record; TimescaleDB’s own jobs do not count theirs."
        ),
    )
