"""Which statements a figure is made of, and how: one line a figure. Reads nothing; see explain.

A figure that is not here has its page's whole list of statements all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Explanation:
    """`made_of`: words; a statement that holds one of them was asked for this figure. Empty: all are shown.

    `commands`: what shows the same to a person with redis-cli, where a script asked; {of} is the stream.
    """

    title: str | Promise
    how: str | Promise
    made_of: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


STATE = ("read_state.lua",)
BUILDS, HEAD = "snapshots_snapshotbuild", ":head"

EXPLANATIONS: dict[str, Explanation] = {
    "page": Explanation(_("Everything on this page"), _("What was asked of the servers to show this page, in order.")),
    # --- Redis
    "memory.used": Explanation(
        _("Redis memory"),
        _("used_memory; peak is used_memory_peak, resident used_memory_rss, and the ceiling maxmemory."),
        ("INFO memory",),
    ),
    "memory.split": Explanation(
        _("What Redis memory holds"),
        _(
            "Streams: the sum of MEMORY USAGE of every limited one. Snapshots: the same of their keys. Overhead: "
            "used_memory_overhead. Other is what is left of used_memory, so that it carries the estimates' errors."
        ),
        ("INFO memory", *STATE, "MEMORY USAGE"),
    ),
    "streams.length": Explanation(
        _("Length"),
        _("Entries that the stream holds, by XINFO STREAM. All streams are read in one round trip."),
        STATE,
        ("XLEN {of}",),
    ),
    "streams.limit": Explanation(
        _("Limit"),
        _("maxlen of the row whose pattern holds for this stream, tightened by the ceilings that match it too."),
        ("streams_streamlimit", "tradeul:streams:limits"),
        ("HGETALL tradeul:streams:limits",),
    ),
    "streams.bytes": Explanation(
        _("Bytes"),
        _("MEMORY USAGE over all nodes; beyond 5,000 nodes over 2,000 of them, which makes it an estimate."),
        STATE,
        ("MEMORY USAGE {of} SAMPLES 0",),
    ),
    "streams.growth": Explanation(
        _("Growth"),
        _("The slope of the lengths that were sampled in the last minutes, one every 10 s, as entries an hour."),
        ("array_agg(at_s", "TIME"),
    ),
    "streams.groups": Explanation(
        _("Groups and their lag"),
        _("XINFO GROUPS. Lag is what a group has not been given yet; where Redis can't tell it is unknown, never 0."),
        STATE,
        ("XINFO GROUPS {of}",),
    ),
    "streams.held": Explanation(
        _("Held by"),
        _("The group for which the last sweep kept entries above the limit, as it wrote it down."),
        ("streams_stream",),
    ),
    "streams.trim": Explanation(
        _("Last trim"), _("The newest run on record, and what it removed."), ("streams_trimrun",)
    ),
    # --- snapshots
    "snapshots.tick": Explanation(
        _("Bytes a tick"),
        _("The median size of the deltas among the last 60 builds, beside the bytes of the source they were made of."),
        (BUILDS,),
    ),
    "snapshots.state": Explanation(
        _("Tickers, sequence and chain"),
        _("The head of the chain, as the last build wrote it in one atomic step with its delta."),
        (HEAD, "XREVRANGE"),
    ),
    "snapshots.stored": Explanation(
        _("Holds in Redis"), _("The sum of MEMORY USAGE of the snapshot's keys."), ("MEMORY USAGE",)
    ),
    "snapshots.took": Explanation(_("Took"), _("The last build's run, from its start to its end."), (BUILDS,)),
    # --- tables
    "tables.size": Explanation(
        _("Size"),
        _(
            "Rows, index, toast and columnstore, added up over the chunks. Rows are the planner's estimate, which "
            "ANALYZE renews."
        ),
        ("pg_table_size", "hypertable_detailed_size", "hypertable_columnstore_stats"),
    ),
    "tables.chunks": Explanation(
        _("Chunks"),
        _("Of its hypertable, by the server's catalogue; a plain table has none."),
        ("pg_class c JOIN pg_attribute", "timescaledb_information.chunks"),
    ),
    "tables.growth": Explanation(
        _("Growth a day"), _("From the samples that beat takes every five minutes."), ("timescale_tablesample",)
    ),
    "tables.oldest": Explanation(
        _("Oldest row"), _("The smallest time in the table, by its index."), ("::timestamp::text",)
    ),
    "tables.keeps": Explanation(
        _("Keeps"),
        _("drop_after of its policy; while a shortened one waits its grace, the longer one holds."),
        ("timescale_hypertablepolicy", "timescale_retentiongrace"),
    ),
    "tables.jobs": Explanation(
        _("Jobs of the server"), _("TimescaleDB's own figures of its jobs."), ("timescaledb_information.job",)
    ),
    "tables.database": Explanation(_("Database"), _("Of the whole database."), ("pg_database_size",)),
    # --- what runs
    "producers.seen": Explanation(
        _("Producers"),
        _("What each says every 2 s: the version of the limits that it holds, and how many entries it added."),
        ("tradeul:streams:producers", "TIME", "tradeul:streams:limits"),
    ),
    "jobs.tasks": Explanation(
        _("Celery's tasks"),
        _("The last success and the last failure of each, as the worker wrote them into the broker."),
        ("tradeul:tasks:last",),
    ),
    "processes.alive": Explanation(
        _("Worker and beat"), _("Each writes the time into the broker every 2 s."), ("tradeul:alive:",)
    ),
    "saved": Explanation(
        _("Saved so far"),
        _("The totals on record; each domain says beside it what it counts."),
        ("streams_enforcement", "sum(raw_bytes - stored_bytes)", "rows_dropped"),
    ),
}
