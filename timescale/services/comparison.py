"""Reads the rows' wishes and says what the server has instead. Changes nothing."""

from __future__ import annotations

from timescale.engine import drift
from timescale.engine.drift import Difference
from timescale.engine.edition import Edition
from timescale.engine.policies import WantedTable, WantedView, reach_problems, table_problems, view_problems
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.store import catalog


def read_differences(seen: catalog.Catalog) -> dict[str, tuple[Difference, ...]]:
    """What the rows want and the server doesn't have, by table or view; empty on editions without jobs."""
    if seen.edition is not Edition.COMMUNITY:
        return {}
    tables, views = read_wishes()
    found = {t.table: drift.compare_table(t, seen.hypertables.get(t.table), jobs=seen.jobs) for t in tables}
    return found | {v.view: drift.compare_view(v, seen.views.get(v.view), jobs=seen.jobs) for v in views}


def read_problems() -> dict[str, tuple[str, ...]]:
    """Why a wish is not carried out, by table or view. Forms refuse these; bulk edits and raw SQL can't be asked."""
    tables, views = read_wishes()
    found = {t.table: table_problems(t) + reach_problems(t.table, tables=tables, views=views) for t in tables}
    return found | {v.view: view_problems(v) + reach_problems(v.view, tables=tables, views=views) for v in views}


def read_wishes() -> tuple[list[WantedTable], list[WantedView]]:
    tables = [row.wanted() for row in HypertablePolicy.objects.all()]
    return tables, [row.wanted() for row in AggregatePolicy.objects.all()]
