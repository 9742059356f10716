"""Reads the rows' wishes and says what the server has instead. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from timescale.engine import drift
from timescale.engine.drift import Aspect, Difference, Kind
from timescale.engine.edition import Edition
from timescale.engine.policies import (
    WantedTable,
    WantedView,
    column_errors,
    reach_problems,
    table_problems,
    view_problems,
)
from timescale.models import AggregatePolicy, AppliedSetting, HypertablePolicy
from timescale.store import catalog

Wish = WantedTable | WantedView
Wishes = tuple[list[WantedTable], list[WantedView]]


def read_wishes() -> Wishes:
    tables = [row.wanted() for row in HypertablePolicy.objects.all()]
    return tables, [row.wanted() for row in AggregatePolicy.objects.all()]


def read_survey(seen: catalog.Catalog) -> dict[str, tuple[Aspect, ...]]:
    """As survey_of, of the rows as they are now."""
    return survey_of(seen, read_wishes(), applied=AppliedSetting.objects.all())


def survey_of(
    seen: catalog.Catalog, wishes: Wishes, *, applied: Iterable[AppliedSetting]
) -> dict[str, tuple[Aspect, ...]]:
    """Each thing that a row wants, with its state, by table or view; empty on editions without jobs."""
    if seen.edition is not Edition.COMMUNITY:
        return {}
    marks: dict[str, dict[Kind, str]] = defaultdict(dict)
    for row in applied:
        marks[row.relation][Kind(row.kind)] = row.mark
    return survey(seen, *wishes, applied=marks)


def survey(
    seen: catalog.Catalog,
    tables: list[WantedTable],
    views: list[WantedView],
    *,
    applied: Mapping[str, Mapping[Kind, str]],
) -> dict[str, tuple[Aspect, ...]]:
    found = {
        table.table: drift.survey_table(
            table, seen.hypertables.get(table.table), jobs=seen.jobs, applied=applied.get(table.table, {})
        )
        for table in tables
    }
    return found | {
        view.view: drift.survey_view(
            view, seen.views.get(view.view), jobs=seen.jobs, applied=applied.get(view.view, {})
        )
        for view in views
    }


def read_differences(seen: catalog.Catalog) -> dict[str, tuple[Difference, ...]]:
    """What the rows want and the server doesn't have."""
    return {name: drift.differing(aspects) for name, aspects in read_survey(seen).items()}


def problems_of(wishes: Wishes, *, seen: catalog.Catalog | None = None) -> dict[str, tuple[str, ...]]:
    """Why a wish is not carried out, by table or view. Forms refuse these; bulk edits and raw SQL can't be asked.

    With `seen` also the columns that a table doesn't have.
    """
    tables, views = wishes
    found = {t.table: table_problems(t) + reach_problems(t.table, tables=tables, views=views) for t in tables}
    if seen is not None:
        for table in tables:
            if columns := seen.columns.get(table.table):
                found[table.table] += tuple(column_errors(table, columns=columns).values())
    return found | {v.view: view_problems(v) + reach_problems(v.view, tables=tables, views=views) for v in views}
