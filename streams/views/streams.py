"""The list of streams, and one stream: how it stands, which limit holds, who reads it, what is in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from streams import services
from streams.engine.ids import EntryId, parse_id
from streams.engine.rules import Effective
from streams.metrics import StreamList, StreamRow, stream_row, unmanaged_streams
from streams.models import StreamLimit, TrimRun
from streams.store import StoreError
from streams.views import history
from streams.views.listing import Asked, asked_for, listing
from streams.views.places import place_of
from tradeul_ops.polls import KEPT, is_poll
from tradeul_ops.turns import Turns

RUNS_SHOWN = 20

_turns = Turns()


@require_safe
@login_required
def streams(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    context: dict[str, Any] = {"now": now, "patterns": patterns(), "asked": asked_for(request.GET)}
    try:
        context["listing"] = _listed(request, context["asked"], now=now)
    except StoreError as error:
        context |= {"error": str(error), "limits": StreamLimit.objects.all()}
    return render(request, "streams/_list.html" if request.htmx else "streams/list.html", context)


def _listed(request: HttpRequest, asked: Asked, *, now: datetime) -> StreamList:
    """Once for all who wait for the same; a poll may be told what another one was, of the limits in force."""
    version = services.version_in_force()
    within = KEPT if version is not None and is_poll(request) else 0.0
    return _turns.share((asked, version), lambda: listing(asked, now=now), within=within)


@require_safe
@login_required
def stream(request: HttpRequest, name: str) -> HttpResponse:
    """By its name. One that has a limit of its own is shown with that limit's form."""
    effective = services.load_rules().effective(name)
    own = effective.own
    if own is not None and own.stream == name:
        found = StreamLimit.objects.get(pattern=own.pattern, is_ceiling=False)
        query = request.GET.urlencode()
        return redirect(f"{reverse('streams:limit', args=[found.pk])}{'?' if query else ''}{query}")
    context = stream_context(request, name, effective)
    return render(request, "streams/stream.html", context)


def stream_context(request: HttpRequest, name: str, effective: Effective) -> dict[str, Any]:
    context: dict[str, Any] = {"stream": name, "effective": effective, "limit_ids": limit_ids(effective)}
    context |= history.context(name, effective.limit, word=request.GET.get("history"))
    context["runs"] = TrimRun.objects.filter(stream=name)[:RUNS_SHOWN]
    try:
        context["row"] = row_of(name)
        if not effective.limit:
            [context["row"]] = unmanaged_streams([name], now=timezone.now())
        elif row := context["row"]:
            context["quiet_sentences"] = [group.sentence(timezone.now()) for group in row.abandoned]
        context |= _inside(request, name)
    except StoreError as error:
        context["error"] = str(error)
    return context


def row_of(name: str) -> StreamRow | None:
    return stream_row(name, now=timezone.now())


def limit_ids(effective: Effective) -> dict[str, int]:
    """Key of a rule → id of its row."""
    rules = [rule for rule in (effective.own, *effective.ceilings, *effective.lost) if rule]
    rows = StreamLimit.objects.filter(pattern__in={rule.pattern for rule in rules})
    return {row.rule.key: row.pk for row in rows}


def patterns() -> list[StreamLimit]:
    """The limits that are for more than one stream, or only tighten: a table of streams alone would not show them."""
    return [row for row in StreamLimit.objects.all() if row.is_ceiling or row.rule.stream is None]


def _inside(request: HttpRequest, stream: str) -> dict[str, Any]:
    """A page of entries, and who reads in the group that was asked for. Each may fail without the other."""
    context: dict[str, Any] = {}
    if group := request.GET.get("group"):
        try:
            context["group"] = services.group_detail(stream, group, consumer=request.GET.get("consumer") or None)
        except StoreError as error:
            context["group_error"] = str(error)
    try:
        before, after = _id(request.GET.get("before")), _id(request.GET.get("after"))
        if (at := request.GET.get("at", "").strip()) and not (before or after):
            before = place_of(at, now=timezone.now())
        context["entries"] = services.entry_page(stream, before=before, after=after)
    except (ValueError, StoreError) as error:
        context["entries_error"] = str(error)
    return context


def _id(said: str | None) -> EntryId | None:
    """Raises ValueError."""
    return parse_id(said) if said else None
