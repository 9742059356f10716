"""A new limit: from an empty form, from what is suggested for a stream, or in one click as the list suggested it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from streams import services
from streams.engine.changes import ChangePreview
from streams.engine.patterns import escape
from streams.engine.rules import BOUNDS
from streams.engine.suggest import USUAL, bounds_around
from streams.forms import AcceptedLoss, StreamLimitForm
from streams.models import StreamLimit
from streams.services.previews import LOOKED_INTO_WHILE_TYPING
from streams.store import StoreError
from streams.views.limits import INVALID, agreed


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@permission_required("streams.add_streamlimit", raise_exception=True)
def new(request: HttpRequest) -> HttpResponse:
    """A new limit. `?stream=` adopts a stream: the form begins with what holds for it now, else with the usual."""
    initial, why = _suggestion(request.GET.get("stream"))
    form = StreamLimitForm(request.POST or None, initial=initial)
    if request.method != "POST" or "preview" not in request.POST:
        return _create(request, form, why=why) if request.method == "POST" else _page(request, form, why=why)
    preview: ChangePreview | None = None
    if form.is_valid():
        try:
            preview = services.preview_rule(None, _row(form).rule, now=timezone.now(), most=LOOKED_INTO_WHILE_TYPING)
        except ValidationError as error:
            form.add_error(None, error)
    if request.htmx:
        return render(request, "streams/_preview.html", {"form": form, "preview": preview, **agreed(request, preview)})
    return _page(request, form, why=why, preview=preview)


@require_POST
@login_required
@permission_required("streams.add_streamlimit", raise_exception=True)
def adopt(request: HttpRequest) -> HttpResponse:
    """With the maxlen that was shown, and the rest in proportion. The form asks about what a group would lose."""
    stream, maxlen = request.POST.get("stream", ""), request.POST.get("maxlen", "")
    if not stream or not maxlen.isdecimal() or len(maxlen) > 18 or int(maxlen) < 1:
        return HttpResponseBadRequest(gettext("Say which stream, and its maxlen."), content_type="text/plain")
    values = {"pattern": escape(stream), "priority": 0, "approximate": True, "protect_groups": True, "enabled": True}
    form = StreamLimitForm({**values, **bounds_around(int(maxlen))})
    return _create(request, form, then="streams:list")


def _create(request: HttpRequest, form: StreamLimitForm, *, why: str = "", then: str = "") -> HttpResponse:
    """To the new limit's page, or to `then`."""
    if not form.is_valid():
        return _page(request, form, why=why)
    row, accepted = _row(form), AcceptedLoss(request.POST).number
    try:
        services.create_limit(row, user_id=request.user.pk, now=timezone.now(), accepted_loss=accepted)
    except services.LossRefused as error:
        return _page(request, form, why=why, preview=error.preview, refused=True)
    except ValidationError as error:
        form.add_error(None, error)
        return _page(request, form, why=why)
    said = gettext("{row}: added. Producers hold it within a second, and beat trims to it now.")
    messages.success(request, said.format(row=row))
    return redirect(then) if then else redirect("streams:limit", row.pk)


def _row(form: StreamLimitForm) -> StreamLimit:
    return StreamLimit(**{name: form.cleaned_data[name] for name in services.EDITABLE})


def _page(
    request: HttpRequest,
    form: StreamLimitForm,
    *,
    why: str,
    preview: ChangePreview | None = None,
    refused: bool = False,
) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "preview": preview, "why": why, "refused": refused}
    status = INVALID if form.errors or refused else 200
    return render(request, "streams/new.html", context | agreed(request, preview), status=status)


def _suggestion(stream: str | None) -> tuple[dict[str, Any], str]:
    """The form's first values, and why those."""
    if not stream:
        return dict(USUAL), ""
    limit = services.load_rules().limit_of(stream)
    if limit is not None:
        held = {name: getattr(limit, name) for name in BOUNDS}
        return {"pattern": escape(stream), **held}, gettext("These are the numbers that hold for it now.")
    try:
        suggestion = services.suggestion_for(stream)
    except StoreError as error:
        return {"pattern": escape(stream), **USUAL}, gettext("The usual numbers: {error}").format(error=error)
    return {"pattern": escape(stream), **suggestion.values}, suggestion.why
