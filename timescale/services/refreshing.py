"""Refreshes aggregates: all that their sources can still tell, or a window that somebody asks for."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from timescale.engine.policies import WantedView
from timescale.engine.refreshing import Window, fill_window, is_filled, refusal
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.services.errors import RefreshRefused
from timescale.store import aggregates, catalog, shapes


def plan_fills(*, now: datetime) -> dict[str, Window]:
    """The windows of the continuous aggregates that their policies can't make up for; sources come first.

    A policy reaches only its start_offset back: an aggregate that is new begins empty, one whose job stood still has
    a gap.
    """
    seen = catalog.read_catalog(connection)
    found: dict[str, Window] = {}
    for view in _in_order([row.wanted() for row in AggregatePolicy.objects.all()]):
        standing = seen.views.get(view.view)
        if standing is None or not standing.continuous:
            continue
        held = aggregates.read_held(connection, view.view)
        oldest, newest = _reach(view.source, seen)
        if view.source in found:  # will be filled before
            oldest = min(filter(None, (oldest, found[view.source].start)))
            newest = max(filter(None, (newest, found[view.source].end)))
        until = now - view.end_offset
        window = fill_window(source_oldest=oldest, held_oldest=held.oldest, width=view.bucket_width, until=until)
        if window is not None and not is_filled(
            window,
            held_oldest=held.oldest,
            held_newest=held.newest,
            source_newest=newest,
            width=view.bucket_width,
            reach=view.start_offset,
        ):
            found[view.view] = window
    return found


def fill_aggregates(*, now: datetime) -> dict[str, Window]:
    """Refreshes what the sources can still tell and no policy reaches. Raises TimescaleError."""
    windows = plan_fills(now=now)
    for view, window in windows.items():
        aggregates.refresh(connection, view, window)
    return windows


def refresh_window(view: str, window: Window) -> None:
    """Raises RefreshRefused where the window would erase history, and TimescaleError."""
    wanted = AggregatePolicy.objects.filter(view_name=view).first()
    if wanted is None:
        raise RefreshRefused(view, "no aggregate policy has this name.")
    oldest, _ = _reach(wanted.source, catalog.read_catalog(connection))
    why = refusal(window, source_oldest=oldest, width=wanted.bucket_width)
    if why is not None:
        raise RefreshRefused(view, why)
    aggregates.refresh(connection, view, window)


def _reach(source: str, seen: catalog.Catalog) -> tuple[datetime | None, datetime | None]:
    """The first and last moment that the source tells of; of an aggregate what is materialized."""
    view = seen.views.get(source)
    if view is not None and view.continuous:
        held = aggregates.read_held(connection, source)
        return held.oldest, held.newest
    table = HypertablePolicy.objects.filter(table_name=source).first()
    column = table.time_column if table else "time"
    oldest = shapes.read_oldest(connection, source, time_column=column)
    return oldest, shapes.read_newest(connection, source, time_column=column)


def _in_order(views: list[WantedView]) -> list[WantedView]:
    """An aggregate after the one it reads. A circle, which no server makes, comes last as it is."""
    done: list[WantedView] = []
    left = list(views)
    while left:
        names = {view.view for view in left}
        ready = [view for view in left if view.source not in names] or left
        done += ready
        left = [view for view in left if view not in ready]
    return done
