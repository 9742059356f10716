"""The integration guide's verification, as queries that work: what each expects, what it found, and its SQL.

Half of the guide's own name columns and views that no version has. Each statement here can be pasted into psql.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from timescale.engine.durations import spell
from timescale.engine.edition import Edition
from timescale.engine.policies import WantedTable, WantedView
from timescale.services.comparison import read_wishes
from timescale.store import catalog
from timescale.store.errors import ServerAway, TimescaleError, naming

Rows = Sequence[tuple[Any, ...]]
PROMISED_BYTES = 10**9  # of the scans: 10 GB before
PROMISED_SAVED = 0.9

_JOBS = """SELECT coalesce(ca.view_name, j.hypertable_name) AS relation, {what}, j.schedule_interval, j.scheduled
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.continuous_aggregates ca ON (j.hypertable_schema, j.hypertable_name)
  IN ((ca.view_schema, ca.view_name), (ca.materialization_hypertable_schema, ca.materialization_hypertable_name))
WHERE j.proc_name = '{proc}' ORDER BY 1;"""
RETENTION = _JOBS.format(what="(j.config->>'drop_after')::interval AS drop_after", proc="policy_retention")
COLUMNSTORE = _JOBS.format(
    what="(j.config->>'compress_after')::interval AS columnstore_after", proc="policy_compression"
)
REFRESH = _JOBS.format(
    what="(j.config->>'start_offset')::interval AS start_offset, (j.config->>'end_offset')::interval AS end_offset",
    proc="policy_refresh_continuous_aggregate",
)
CHUNKS = """SELECT h.hypertable_name, h.num_chunks,
       hypertable_size(format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass) AS bytes
FROM timescaledb_information.hypertables h WHERE h.hypertable_schema = ANY (current_schemas(false)) ORDER BY 1;"""
SIZES = """SELECT relname, pg_total_relation_size(oid) AS bytes FROM pg_class
WHERE relname = ANY ({}) AND relkind = 'r' AND relnamespace::regnamespace::name = ANY (current_schemas(false))
ORDER BY 1;"""
ELIGIBLE = """SELECT count(*) FILTER (WHERE NOT is_compressed) AS not_compressed, count(*) AS eligible
FROM timescaledb_information.chunks
WHERE hypertable_name = {} AND hypertable_schema = ANY (current_schemas(false)) AND range_end < now() - {};"""
SAVED = """SELECT count(*) FILTER (WHERE after_compression_total_bytes IS NOT NULL) AS compressed,
       sum(before_compression_total_bytes)::bigint AS before_bytes,
       sum(after_compression_total_bytes)::bigint AS after_bytes
FROM chunk_columnstore_stats({}::regclass);"""
OLDEST = "SELECT {c} AS oldest, {c} < {bound} AS past_bound FROM {t} ORDER BY {c} LIMIT 1;"
AGGREGATES = """SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates
WHERE view_schema = ANY (current_schemas(false)) ORDER BY 1;"""
VIEWS = """SELECT relname FROM pg_class
WHERE relkind = 'v' AND relnamespace::regnamespace::name = ANY (current_schemas(false)) ORDER BY 1;"""
# 24000: the job's work was done and committed before; see engine.aspects.
FAILURES = """SELECT s.job_id, s.total_failures, e.sqlerrcode IS NOT DISTINCT FROM '24000' AS after_work
FROM timescaledb_information.job_stats s
LEFT JOIN LATERAL (SELECT sqlerrcode FROM timescaledb_information.job_errors f
                   WHERE f.job_id = s.job_id ORDER BY f.start_time DESC LIMIT 1) e ON true
WHERE s.last_run_status = 'Failed' ORDER BY 1;"""


@dataclass(frozen=True)
class Check:
    """`ok` None: nothing to compare on this edition. `found` is a sentence; `error` one where the query failed."""

    name: str
    expected: str
    found: str
    ok: bool | None
    sql: str


Judge = Callable[[Rows], tuple[bool | None, str]]


def verify() -> tuple[Check, ...]:
    """Every check of the edition at hand. Raises TimescaleError where the catalogue can't be read."""
    detection = catalog.read_detection(connection)
    tables, views = read_wishes()
    return tuple(_run(*check) for check in _checks(detection.edition, tables, views))


Question = tuple[str, str, str, Judge]  # name, expected, SQL, judge


def _checks(edition: Edition, tables: Sequence[WantedTable], views: Sequence[WantedView]) -> Iterator[Question]:
    if edition is Edition.COMMUNITY:
        yield from _job_checks(tables, views)
    yield from _size_checks(edition, tables)
    for table in tables:
        # Whatever drops them; one chunk and one look of the job later than the bound.
        slack = table.drop_after + table.chunk_time_interval + table.schedule_interval
        bound = sql.SQL("now() - {}").format(sql.Literal(slack))
        query = sql.SQL(OLDEST).format(c=sql.Identifier(table.time_column), t=sql.Identifier(table.table), bound=bound)
        expected = f"no row older than {spell(slack)}"
        yield f"retention acts on {table.table}", expected, query.as_string(None), _oldest
    if edition is Edition.COMMUNITY:
        for table in tables:
            if table.columnstore and table.enabled:
                yield from _columnstore_checks(table)
    names = {view.view for view in views}
    query_of = AGGREGATES if edition is Edition.COMMUNITY else VIEWS
    yield "continuous aggregates exist", ", ".join(sorted(names)), query_of, lambda rows: _all_there(names, rows)


def _job_checks(tables: Sequence[WantedTable], views: Sequence[WantedView]) -> Iterator[Question]:
    kept = {t.table: t.drop_after for t in tables if t.enabled} | {v.view: v.drop_after for v in views if v.drop_after}
    yield "retention policies", _spelled(kept), RETENTION, lambda rows: _same(kept, rows)
    after = {t.table: t.columnstore.after for t in tables if t.enabled and t.columnstore}
    yield "columnstore policies", _spelled(after), COLUMNSTORE, lambda rows: _same(after, rows)
    start = {v.view: v.start_offset for v in views}
    yield "refresh policies", _spelled(start), REFRESH, lambda rows: _same(start, rows)
    yield "jobs succeed", "none whose last run failed before its work was done", FAILURES, _no_failures


def _size_checks(edition: Edition, tables: Sequence[WantedTable]) -> Iterator[Question]:
    if edition.has_hypertables:
        query = CHUNKS
    else:
        query = SIZES.format(sql.Literal([table.table for table in tables]).as_string(None))
    yield "sizes", "scan_results below 1 GB", query, _sizes


def _columnstore_checks(table: WantedTable) -> Iterator[Question]:
    assert table.columnstore is not None
    after = table.columnstore.after + table.columnstore.schedule_interval
    if table.time_is_date:
        after += table.chunk_time_interval
    query = ELIGIBLE.format(sql.Literal(table.table).as_string(None), sql.Literal(after).as_string(None))
    yield f"{table.table} is compressed", f"every chunk that ended {spell(after)} ago", query, _compressed
    query = SAVED.format(sql.Literal(sql.Identifier(table.table).as_string(None)).as_string(None))
    yield f"{table.table} saves", f"{PROMISED_SAVED:.0%} where 1 MB or more is compressed", query, _saved


# --- what the rows mean ----------------------------------------------------------------------------------------------
def _same(wanted: dict[str, Any], rows: Rows) -> tuple[bool, str]:
    have = {row[0]: row[1] for row in rows if row[-1]}
    paused = sorted(row[0] for row in rows if not row[-1])
    said = _spelled({name: value for name, value in have.items() if name in wanted})
    said += f"; paused: {', '.join(paused)}" if paused else ""
    return {name: have.get(name) for name in wanted} == wanted, said


def _spelled(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {spell(value)}" for name, value in sorted(values.items())) or "none"


def _no_failures(rows: Rows) -> tuple[bool, str]:
    failed = [f"job {job_id} ({failures} failures)" for job_id, failures, after_work in rows if not after_work]
    said = ", ".join(failed) or "none"
    if after := len(rows) - len(failed):
        said += f"; {after} more did the work and are counted as failed all the same"
    return not failed, said


def _sizes(rows: Rows) -> tuple[bool | None, str]:
    said = ", ".join(
        f"{row[0]} {(row[-1] or 0) / 1e6:,.1f} MB" + (f" in {row[1]} chunks" if len(row) == 3 else "") for row in rows
    )
    scans = next((row[-1] for row in rows if row[0] == "scan_results"), None)
    return (None if scans is None else scans < PROMISED_BYTES), said or "no table"


def _oldest(rows: Rows) -> tuple[bool, str]:
    if not rows:
        return True, "no rows"
    oldest, past = rows[0]
    return not past, f"the oldest is of {oldest:%Y-%m-%d %H:%M}"


def _compressed(rows: Rows) -> tuple[bool, str]:
    [(left, eligible)] = rows
    return left == 0, f"{eligible - left} of {eligible}"


def _saved(rows: Rows) -> tuple[bool | None, str]:
    [(chunks, before, after)] = rows
    if not chunks or not before:
        return None, "nothing is compressed yet"
    saved = 1 - after / before
    said = f"{saved:.1%} of {before / 1e6:,.1f} MB in {chunks} chunks"
    return (None if before < 1e6 else saved >= PROMISED_SAVED), said


def _all_there(wanted: set[str], rows: Rows) -> tuple[bool, str]:
    have = {row[0] for row in rows} & wanted
    return have == wanted, ", ".join(sorted(have)) or "none"


def _run(name: str, expected: str, query: str, judge: Judge) -> Check:
    try:
        with transaction.atomic(), naming(name), connection.cursor() as cursor:
            cursor.execute(query)
            ok, found = judge(cursor.fetchall())
    except ServerAway:
        raise
    except TimescaleError as error:
        ok, found = False, str(error)
    return Check(name, expected, found, ok, query)
