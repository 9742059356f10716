"""Says what a change of a bound, or a drop at once, would take. Changes nothing; who saves asks again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext

from timescale.engine.loss import DropPreview, starved_by
from timescale.engine.policies import WantedTable
from timescale.models import AggregatePolicy, HypertablePolicy
from timescale.services.applying import bound_of
from timescale.services.comparison import Wish
from timescale.services.grace import grace_length, read_graces
from timescale.store import catalog
from timescale.store.chunks import Doomed, read_doomed_chunks, read_doomed_rows
from timescale.store.errors import TimescaleError
from timescale.store.reading import moment
from timescale.store.sizes import read_watermarks

PolicyRow = HypertablePolicy | AggregatePolicy


class LossRefused(ValidationError):
    """The change drops what nobody has agreed to lose; `preview` says what."""

    def __init__(self, preview: DropPreview, *, asked: bool) -> None:
        grew = gettext("It is more now than what was agreed to") if asked else gettext("First say that this may go")
        super().__init__(
            gettext("Not saved. {grew}. {value}").format(
                grew=grew, value=" ".join((preview.sentence, *preview.starved))
            ),
            code="loss",
        )
        self.preview = preview


def preview_change(row: PolicyRow, changes: Mapping[str, Any], *, now: datetime) -> DropPreview | None:
    """What saving `changes` would drop; None where the bound is not shortened. Raises ValidationError by field.

    Against the row as it is stored: a form has written its fields into `row` already.
    """
    changed = type(row)._default_manager.get(pk=row.pk)
    before = bound_of(changed.wanted())
    for name, new in changes.items():
        setattr(changed, name, new)
    changed.clean()
    wanted = changed.wanted()
    grace = read_graces(now=now).get(wanted.name)
    acting = grace.previous if grace is not None else before
    after = bound_of(wanted)
    if after is None or (acting is not None and after >= acting):
        return None
    return preview_drop(wanted, after, before=acting, until=now + grace_length(), now=now)


def preview_drop(
    wanted: Wish, after: timedelta, *, before: timedelta | None, until: datetime | None, now: datetime
) -> DropPreview:
    """What is older than `after`. A catalogue that can't be read makes the preview unknown, not an error."""
    try:
        with transaction.atomic():  # a refused query must not end the caller's transaction
            seen = catalog.read_catalog(connection)
            doomed = _doomed(wanted, after, seen, now=now)
            starved = _starved(wanted, after, seen, now=now) if doomed.chunks or doomed.rows else ()
    except TimescaleError as error:
        return DropPreview(wanted.name, before, after, None, None, False, None, (), until, problem=str(error))
    return DropPreview(
        wanted.name, before, after, doomed.chunks, doomed.rows, doomed.more, doomed.bytes, starved, until
    )


def _doomed(wanted: Wish, after: timedelta, seen: catalog.Catalog, *, now: datetime) -> Doomed:
    if isinstance(wanted, WantedTable):
        cutoff = wanted.cutoff(now=now, drop_after=after)
        if wanted.table in seen.hypertables:
            return read_doomed_chunks(connection, f'"{wanted.table}"', cutoff=cutoff)
        return read_doomed_rows(connection, wanted.table, time_column=wanted.time_column, cutoff=cutoff)
    view = seen.views.get(wanted.view)
    if view is None or not view.continuous:
        return Doomed(0, 0, 0, None)  # a plain view holds nothing of its own
    return read_doomed_chunks(connection, view.materialization, cutoff=now - after)


def _starved(wanted: Wish, after: timedelta, seen: catalog.Catalog, *, now: datetime) -> tuple[str, ...]:
    cutoff = moment(wanted.cutoff(now=now, drop_after=after)) if isinstance(wanted, WantedTable) else now - after
    readers = AggregatePolicy.objects.filter(source=wanted.name).values_list("view_name", flat=True)
    marks = read_watermarks(connection) if seen.edition.has_hypertables else {}
    found = (
        starved_by(
            view,
            source=wanted.name,
            watermark=marks.get(view),
            cutoff=cutoff,
            continuous=seen.views[view].continuous,
        )
        for view in readers
        if view in seen.views
    )
    return tuple(said for said in found if said)
