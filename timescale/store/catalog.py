"""Reads what PostgreSQL and TimescaleDB say about themselves: edition, tables, views, jobs, sizes. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from timescale.engine.drift import Hypertable, Job, Kind, View
from timescale.engine.edition import Detection, Edition
from timescale.store.errors import RelationMissing, naming

# Needs no superuser (SHOW shared_preload_libraries does) and errs on no edition (SHOW timescaledb.license does).
DETECT = """
SELECT (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.max_background_workers'),
       current_setting('timescaledb.license', true),
       has_database_privilege(current_database(), 'CREATE')
"""
_VIEWS = """
SELECT relname FROM pg_class
WHERE relkind = 'v' AND relnamespace::regnamespace::name = ANY (current_schemas(false))
"""
_HYPERTABLES = """
SELECT h.hypertable_name, d.time_interval, h.num_chunks, h.compression_enabled,
       (SELECT count(*) FROM timescaledb_information.chunks c
        WHERE c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name AND c.is_compressed),
       s.segmentby, s.orderby
FROM timescaledb_information.hypertables h
JOIN timescaledb_information.dimensions d
  ON d.hypertable_schema = h.hypertable_schema AND d.hypertable_name = h.hypertable_name AND d.dimension_number = 1
LEFT JOIN timescaledb_information.hypertable_columnstore_settings s
  ON s.hypertable = format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass
WHERE h.hypertable_schema = ANY (current_schemas(false))
"""
_AGGREGATES = """
SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates
WHERE view_schema = ANY (current_schemas(false))
"""
# Until 2.19 an aggregate's jobs are listed under its materialization, since 2.20 under the view: the join takes both.
# Times can be -infinity, which no Python datetime can be. add_columnstore_policy's job is called policy_compression.
_JOBS = """
SELECT j.job_id,
       CASE j.proc_name WHEN 'policy_retention' THEN 'retention' WHEN 'policy_compression' THEN 'columnstore'
                        ELSE 'refresh' END,
       COALESCE(ca.view_name, j.hypertable_name),
       COALESCE(j.config->>'drop_after', j.config->>'compress_after')::interval,
       (j.config->>'start_offset')::interval,
       (j.config->>'end_offset')::interval,
       j.schedule_interval,
       j.scheduled,
       NULLIF(s.last_run_started_at, '-infinity'),
       NULLIF(s.last_successful_finish, '-infinity'),
       s.last_run_status,
       CASE WHEN s.last_run_status = 'Failed' THEN
            (SELECT e.err_message FROM timescaledb_information.job_errors e
             WHERE e.job_id = j.job_id ORDER BY e.start_time DESC LIMIT 1) END
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.job_stats s USING (job_id)
LEFT JOIN timescaledb_information.continuous_aggregates ca
  ON (j.hypertable_schema, j.hypertable_name) IN
     ((ca.view_schema, ca.view_name), (ca.materialization_hypertable_schema, ca.materialization_hypertable_name))
WHERE j.proc_name IN ('policy_retention', 'policy_compression', 'policy_refresh_continuous_aggregate')
  AND COALESCE(ca.view_schema, j.hypertable_schema) = ANY (current_schemas(false))
ORDER BY j.job_id
"""
_PLAIN_SIZE = "SELECT pg_total_relation_size(c.oid), c.reltuples::bigint, NULL, NULL FROM pg_class c WHERE c.oid = %s"
_HYPERTABLE_SIZE = """
SELECT (SELECT total_bytes FROM hypertable_detailed_size(%s::oid::regclass)),
       approximate_row_count(%s::oid::regclass),
       (SELECT before_compression_total_bytes FROM hypertable_columnstore_stats(%s::oid::regclass)),
       (SELECT after_compression_total_bytes FROM hypertable_columnstore_stats(%s::oid::regclass))
"""
_CHUNK_ENDS = """
SELECT range_end FROM timescaledb_information.chunks
WHERE hypertable_name = %s AND hypertable_schema = ANY (current_schemas(false)) AND range_end <= %s
ORDER BY range_end
"""


@dataclass(frozen=True)
class Catalog:
    """One reading of everything that is not inside a table."""

    detection: Detection
    server_version: str
    database_bytes: int
    hypertables: dict[str, Hypertable]
    views: dict[str, View]
    jobs: tuple[Job, ...]

    @property
    def edition(self) -> Edition:
        return self.detection.edition

    def jobs_of(self, name: str) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.relation == name)


@dataclass(frozen=True)
class TableFacts:
    """What one table holds. `oldest_at` None is an empty table; the others are None where the server can't say."""

    bytes: int | None
    rows_estimate: int | None
    oldest_at: datetime | None
    saved_ratio: float | None  # of the chunks that are compressed


def read_detection(connection: BaseDatabaseWrapper) -> Detection:
    return Detection(*_rows(connection, DETECT)[0])


def read_catalog(connection: BaseDatabaseWrapper) -> Catalog:
    with naming("the catalogue"):
        detection = read_detection(connection)
        version, size = _rows(
            connection, "SELECT current_setting('server_version'), pg_database_size(current_database())"
        )[0]
        views = {name: View(name, continuous=False, materialized_only=None) for (name,) in _rows(connection, _VIEWS)}
        hypertables: dict[str, Hypertable] = {}
        jobs: tuple[Job, ...] = ()
        if detection.edition.has_hypertables:
            views |= {
                name: View(name, continuous=True, materialized_only=only)
                for name, only in _rows(connection, _AGGREGATES)
            }
            for name, interval, chunks, columnstore, compressed, segmentby, orderby in _rows(connection, _HYPERTABLES):
                hypertables[name] = Hypertable(
                    name, interval, chunks, compressed, columnstore, segmentby or "", orderby or ""
                )
            jobs = tuple(Job(job_id, Kind(kind), *rest) for job_id, kind, *rest in _rows(connection, _JOBS))
        return Catalog(detection, version.split()[0], size, hypertables, views, jobs)


def read_view(connection: BaseDatabaseWrapper, name: str) -> View | None:
    """The view of that name, whichever kind it is."""
    if not _rows(connection, f"{_VIEWS} AND relname = %s", [name]):
        return None
    if read_detection(connection).edition.has_hypertables:
        for view, materialized_only in _rows(connection, f"{_AGGREGATES} AND view_name = %s", [name]):
            return View(view, continuous=True, materialized_only=materialized_only)
    return View(name, continuous=False, materialized_only=None)


def read_columnstore_enabled(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Not from the settings view: a table whose columnstore was switched off again keeps its line there."""
    enabled = _rows(
        connection,
        "SELECT compression_enabled FROM timescaledb_information.hypertables "
        "WHERE hypertable_name = %s AND hypertable_schema = ANY (current_schemas(false))",
        [table],
    )
    return bool(enabled and enabled[0][0])


def read_table(connection: BaseDatabaseWrapper, table: str, *, time_column: str, is_hypertable: bool) -> TableFacts:
    """Raises RelationMissing."""
    quoted, column = sql.Identifier(table), sql.Identifier(time_column)
    with naming(table):
        [(oid,)] = _rows(connection, "SELECT to_regclass(quote_ident(%s))::oid", [table])
        if oid is None:
            raise RelationMissing(table, "Has its migration run?")
        size_of = _HYPERTABLE_SIZE if is_hypertable else _PLAIN_SIZE
        [(size, estimate, before, after)] = _rows(connection, size_of, [oid] * size_of.count("%s"))
        # min() of a hypertable plans over every chunk; this opens the oldest one that has a row.
        oldest = _rows(connection, sql.SQL("SELECT {c} FROM {t} ORDER BY {c} LIMIT 1").format(c=column, t=quoted))
    # -1 (0 on a hypertable) is PostgreSQL's word for "never analyzed".
    known = estimate if estimate > 0 or not oldest else None
    ratio = 1 - float(after) / float(before) if before and after is not None else None
    return TableFacts(
        size, max(known, 0) if known is not None else None, _moment(oldest[0][0]) if oldest else None, ratio
    )


def read_chunk_ends(
    connection: BaseDatabaseWrapper, table: str, *, cutoff: datetime | date
) -> tuple[datetime | date, ...]:
    """The ends of the chunks that lie wholly before the cutoff, oldest first, in the cutoff's own type."""
    with naming(table):
        ends: list[datetime] = [end for (end,) in _rows(connection, _CHUNK_ENDS, [table, _moment(cutoff)])]
    return tuple(ends if isinstance(cutoff, datetime) else (end.astimezone(UTC).date() for end in ends))


def _moment(value: datetime | date) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time(), tzinfo=UTC)


def _rows(connection: BaseDatabaseWrapper, query: Any, params: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())
