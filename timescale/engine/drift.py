"""Compares what the rows want with what the server has, and with what was last applied. Changes nothing.

Two of the three tell that something differs, the third who changed it: the row, or somebody in the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from timescale.engine.aspects import (
    NONE,
    NOT_MENDED,
    Aspect,
    Difference,
    Hypertable,
    Job,
    Kind,
    State,
    Timing,
    View,
    spell_or_unset,
)
from timescale.engine.durations import spell
from timescale.engine.policies import (
    AGGREGATE_RETENTION_INTERVAL,
    WantedTable,
    WantedView,
    column_names,
    order_terms,
)

__all__ = [
    "NONE",
    "NOT_MENDED",
    "Aspect",
    "Difference",
    "Hypertable",
    "Job",
    "Kind",
    "State",
    "View",
    "compare_table",
    "compare_view",
    "differing",
    "in_force",
    "survey_table",
    "survey_view",
]


def survey_table(
    wanted: WantedTable, actual: Hypertable | None, *, jobs: Iterable[Job], applied: Mapping[Kind, str]
) -> tuple[Aspect, ...]:
    """On the Community edition. A disabled wish wants no job and leaves the rest as it is."""
    name, jobs = wanted.table, tuple(jobs)
    if actual is None:
        return (_by_migration(name, Kind.HYPERTABLE, "a hypertable", "a plain table"),)
    found = []
    columnstore = wanted.columnstore if wanted.enabled else None
    if wanted.enabled:
        found.append(
            _setting(
                name,
                Kind.CHUNKS,
                wanted=(spell(wanted.chunk_time_interval), _seconds(wanted.chunk_time_interval)),
                actual=(spell_or_unset(actual.chunk_time_interval), _seconds(actual.chunk_time_interval)),
                adopt={"chunk_time_interval": actual.chunk_time_interval} if actual.chunk_time_interval else None,
                applied=applied,
            )
        )
    if columnstore is not None:
        found.append(
            _setting(
                name,
                Kind.COLUMNSTORE_SETTINGS,
                wanted=_columnstore_settings(columnstore.segmentby, columnstore.orderby),
                actual=_columnstore_settings(actual.segmentby, actual.orderby) if actual.columnstore else ("off", NONE),
                adopt={
                    "segmentby": ",".join(column_names(actual.segmentby)),
                    "orderby": ", ".join(order_terms(actual.orderby)),
                }
                if actual.columnstore
                else None,
                applied=applied,
            )
        )
    timing = (columnstore.after, None, None, columnstore.schedule_interval) if columnstore else None
    found.append(_jobs(name, Kind.COLUMNSTORE, timing, jobs, applied, adopt=_adopt_columnstore))
    timing = (wanted.drop_after, None, None, wanted.schedule_interval) if wanted.enabled else None
    found.append(_jobs(name, Kind.RETENTION, timing, jobs, applied, adopt=_adopt_retention))
    return tuple(found)


def survey_view(
    wanted: WantedView, actual: View | None, *, jobs: Iterable[Job], applied: Mapping[Kind, str]
) -> tuple[Aspect, ...]:
    """On the Community edition."""
    name, jobs = wanted.view, tuple(jobs)
    if actual is None or not actual.continuous:
        have = "missing" if actual is None else "a plain view"
        return (_by_migration(name, Kind.AGGREGATE, "a continuous aggregate", have),)
    flags = str(wanted.materialized_only).lower(), str(actual.materialized_only).lower()
    only = _setting(
        name,
        Kind.MATERIALIZED_ONLY,
        wanted=(flags[0], flags[0]),
        actual=(flags[1], flags[1]),
        adopt={"materialized_only": actual.materialized_only},
        applied=applied,
    )
    window = (None, wanted.start_offset, wanted.end_offset, wanted.schedule_interval)
    refresh = _jobs(name, Kind.REFRESH, window, jobs, applied, adopt=_adopt_refresh)
    after = (wanted.drop_after, None, None, AGGREGATE_RETENTION_INTERVAL) if wanted.drop_after else None
    return only, refresh, _jobs(name, Kind.RETENTION, after, jobs, applied, adopt=_adopt_view_retention)


def compare_table(wanted: WantedTable, actual: Hypertable | None, *, jobs: Iterable[Job]) -> tuple[Difference, ...]:
    """What differs, whoever changed it."""
    return differing(survey_table(wanted, actual, jobs=jobs, applied={}))


def compare_view(wanted: WantedView, actual: View | None, *, jobs: Iterable[Job]) -> tuple[Difference, ...]:
    return differing(survey_view(wanted, actual, jobs=jobs, applied={}))


def differing(aspects: Iterable[Aspect]) -> tuple[Difference, ...]:
    return tuple(aspect for aspect in aspects if aspect.state is not State.IN_SYNC)


def in_force(aspects: Iterable[Aspect]) -> dict[str, Any]:
    """The fields whose value in the database is another than the row's."""
    return {field: value for aspect in differing(aspects) for field, value in (aspect.adopt or {}).items()}


# --- one aspect ------------------------------------------------------------------------------------------------------
def _by_migration(name: str, kind: Kind, wanted: str, actual: str) -> Aspect:
    why = "only a migration or `timescale upgrade` makes it"
    return Aspect(name, kind, wanted, actual, "yes", "no", State.MISSING, why_not_adopt=why)


def _setting(
    name: str,
    kind: Kind,
    *,
    wanted: tuple[str, str],
    actual: tuple[str, str],
    adopt: Mapping[str, Any] | None,
    applied: Mapping[Kind, str],
) -> Aspect:
    (wants, wanted_mark), (has, actual_mark) = wanted, actual
    before = applied.get(kind)
    if wanted_mark == actual_mark:
        state = State.IN_SYNC
    else:
        state = State.CHANGED_IN_CONSOLE if before == actual_mark else State.WRONG_SETTINGS
    why = "" if adopt is not None else "the row has no word for this"
    return Aspect(
        name, kind, wants, has, wanted_mark, actual_mark, state, adopt, why_not_adopt=why, applied=before is not None
    )


def _jobs(
    name: str,
    kind: Kind,
    timing: Timing | None,
    jobs: Iterable[Job],
    applied: Mapping[Kind, str],
    *,
    adopt: Any,
) -> Aspect:
    mine = [job for job in jobs if job.relation == name and job.kind is kind]
    before = applied.get(kind)
    wanted_mark = _mark(timing)
    actual_mark = " and ".join(_mark(job.timing) + ("" if job.scheduled else " paused") for job in mine) or NONE
    changes, why = None, ""
    if len(mine) > 1:
        why = "a row describes one job"
    elif mine and not mine[0].scheduled:
        why = "a row has no paused jobs: switch the policy off instead"
    else:
        changes, why = adopt(mine[0] if mine else None)
    return Aspect(
        name,
        kind,
        "no job" if timing is None else Job(0, kind, name, *timing, True, None, None, None, None).says,
        " and ".join(job.says for job in mine) or "no job",
        wanted_mark,
        actual_mark,
        _state(wanted_mark, actual_mark, mine, before),
        changes,
        why,
        before is not None,
    )


def _state(wanted: str, actual: str, jobs: list[Job], before: str | None) -> State:
    if wanted == actual:
        return State.IN_SYNC
    if before is not None and before == actual:
        return State.CHANGED_IN_CONSOLE
    if not jobs:
        return State.MISSING
    if wanted == NONE or len(jobs) > 1:
        return State.EXTRA
    if actual == f"{wanted} paused":
        return State.PAUSED
    return State.CHANGED_IN_DATABASE


# --- what a row would have to say ------------------------------------------------------------------------------------
_Adoption = tuple[Mapping[str, Any] | None, str]


def _adopt_columnstore(job: Job | None) -> _Adoption:
    if job is None:
        return {"columnstore_after": None, "columnstore_schedule_interval": None}, ""
    return {"columnstore_after": job.after, "columnstore_schedule_interval": job.schedule_interval}, ""


def _adopt_retention(job: Job | None) -> _Adoption:
    if job is None:
        return None, "a table's row always has a bound: switch the policy off to keep everything"
    return {"drop_after": job.after, "retention_schedule_interval": job.schedule_interval}, ""


def _adopt_view_retention(job: Job | None) -> _Adoption:
    if job is None:
        return {"drop_after": None}, ""
    if job.schedule_interval != AGGREGATE_RETENTION_INTERVAL:
        return None, f"aggregates are looked at every {spell(AGGREGATE_RETENTION_INTERVAL)}, no row says otherwise"
    return {"drop_after": job.after}, ""


def _adopt_refresh(job: Job | None) -> _Adoption:
    if job is None:
        return None, "an aggregate's row always has a refresh"
    if job.start_offset is None or job.end_offset is None:
        return None, "a refresh without a bounded window erases what its source no longer holds"
    return {
        "start_offset": job.start_offset,
        "end_offset": job.end_offset,
        "schedule_interval": job.schedule_interval,
    }, ""


# --- words and marks -------------------------------------------------------------------------------------------------
def _columnstore_settings(segmentby: str, orderby: str) -> tuple[str, str]:
    names, terms = ",".join(column_names(segmentby)), ", ".join(order_terms(orderby))
    return f"segmentby {names or 'nothing'}, orderby {terms or 'nothing'}", f"{names}|{terms}"


def _mark(timing: Timing | None) -> str:
    return NONE if timing is None else "|".join(_seconds(value) for value in timing)


def _seconds(duration: timedelta | None) -> str:
    return "" if duration is None else repr(duration.total_seconds())
