"""Reads what PostgreSQL and TimescaleDB say about themselves: edition, tables, views, jobs, sizes. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db.backends.base.base import BaseDatabaseWrapper

from timescale.engine.drift import Hypertable, Job, View
from timescale.engine.edition import Detection, Edition
from timescale.store.errors import naming
from timescale.store.jobs import read_jobs
from timescale.store.reading import moment, rows

# Needs no superuser (SHOW shared_preload_libraries does) and errs on no edition (SHOW timescaledb.license does).
DETECT = """
SELECT (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.max_background_workers'),
       current_setting('timescaledb.license', true),
       has_database_privilege(current_database(), 'CREATE')
"""
_SERVER = f"""
SELECT current_setting('server_version'), pg_database_size(current_database()),
       current_setting('timescaledb.max_background_workers', true), d.*
FROM ({DETECT}) AS d
"""  # noqa: S608
_VIEWS = """
SELECT relname FROM pg_class
WHERE relkind = 'v' AND relnamespace::regnamespace::name = ANY (current_schemas(false))
"""
_HYPERTABLES = """
SELECT h.hypertable_name, d.time_interval, h.num_chunks, COALESCE(c.compressed, 0), h.compression_enabled,
       s.segmentby, s.orderby, c.first_end, c.last_start
FROM timescaledb_information.hypertables h
JOIN timescaledb_information.dimensions d
  ON d.hypertable_schema = h.hypertable_schema AND d.hypertable_name = h.hypertable_name AND d.dimension_number = 1
LEFT JOIN timescaledb_information.hypertable_columnstore_settings s
  ON s.hypertable = (quote_ident(h.hypertable_schema) || '.' || quote_ident(h.hypertable_name))::regclass
LEFT JOIN (
    SELECT hypertable_schema, hypertable_name, count(*) FILTER (WHERE is_compressed) AS compressed,
           min(range_end) AS first_end, max(range_start) AS last_start
    FROM timescaledb_information.chunks GROUP BY 1, 2
) c ON c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
WHERE h.hypertable_schema = ANY (current_schemas(false))
"""
_AGGREGATES = """
SELECT view_name, materialized_only,
       quote_ident(materialization_hypertable_schema) || '.' || quote_ident(materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = ANY (current_schemas(false))
"""
_COLUMNS = """
SELECT c.relname, c.relkind = 'v', array_agg(a.attname::text)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace::regnamespace::name = ANY (current_schemas(false))
GROUP BY c.relname, c.relkind
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
    workers: int | None  # background workers that the extension may use in all databases together; None without it
    hypertables: dict[str, Hypertable]
    views: dict[str, View]
    jobs: tuple[Job, ...]
    columns: dict[str, frozenset[str]]  # of every table and view

    @property
    def edition(self) -> Edition:
        return self.detection.edition

    def jobs_of(self, name: str) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.relation == name)


def read_detection(connection: BaseDatabaseWrapper) -> Detection:
    return Detection(*rows(connection, DETECT)[0])


def read_catalog(connection: BaseDatabaseWrapper) -> Catalog:
    with naming("the catalogue"):
        version, size, workers, *detected = rows(connection, _SERVER)[0]
        detection = Detection(*detected)
        found = rows(connection, _COLUMNS)
        views = {name: View(name, continuous=False, materialized_only=None) for name, view, _ in found if view}
        hypertables: dict[str, Hypertable] = {}
        jobs: tuple[Job, ...] = ()
        if detection.edition.has_hypertables:
            views |= {
                name: View(name, continuous=True, materialized_only=only, materialization=materialization)
                for name, only, materialization in rows(connection, _AGGREGATES)
            }
            for name, interval, chunks, compressed, columnstore, segmentby, orderby, *ends in rows(
                connection, _HYPERTABLES
            ):
                settings = (segmentby or "", orderby or "")
                hypertables[name] = Hypertable(name, interval, chunks, compressed, columnstore, *settings, *ends)
            jobs = read_jobs(connection)
        columns = {name: frozenset(names) for name, _, names in found}
        return Catalog(
            detection=detection,
            server_version=version.split()[0],
            database_bytes=size,
            workers=int(workers) if workers else None,
            hypertables=hypertables,
            views=views,
            jobs=jobs,
            columns=columns,
        )


def read_view(connection: BaseDatabaseWrapper, name: str) -> View | None:
    """The view of that name, whichever kind it is."""
    if not rows(connection, f"{_VIEWS} AND relname = %s", [name]):
        return None
    if read_detection(connection).edition.has_hypertables:
        for view, only, materialization in rows(connection, f"{_AGGREGATES} AND view_name = %s", [name]):
            return View(view, continuous=True, materialized_only=only, materialization=materialization)
    return View(name, continuous=False, materialized_only=None)


def read_columnstore_enabled(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Not from the settings view: a table whose columnstore was switched off again keeps its line there."""
    enabled = rows(
        connection,
        "SELECT compression_enabled FROM timescaledb_information.hypertables "
        "WHERE hypertable_name = %s AND hypertable_schema = ANY (current_schemas(false))",
        [table],
    )
    return bool(enabled and enabled[0][0])


def read_columns(connection: BaseDatabaseWrapper, table: str) -> frozenset[str]:
    """Empty where there is no such table."""
    with naming(table):
        return frozenset({name: names for name, _, names in rows(connection, _COLUMNS)}.get(table, ()))


def read_chunk_ends(
    connection: BaseDatabaseWrapper, table: str, *, cutoff: datetime | date
) -> tuple[datetime | date, ...]:
    """The ends of the chunks that lie wholly before the cutoff, oldest first, in the cutoff's own type."""
    with naming(table):
        ends: list[datetime] = [end for (end,) in rows(connection, _CHUNK_ENDS, [table, moment(cutoff)])]
    return tuple(ends if isinstance(cutoff, datetime) else (end.astimezone(UTC).date() for end in ends))
