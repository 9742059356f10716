"""The stream pages: the list, one stream with its limit's form, the inline editor. Saves only through `services`."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from streams import services
from streams.engine.ids import EntryId, parse_id
from streams.engine.loss import LossPreview
from streams.forms import AcceptedLoss, MaxlenForm, StreamLimitForm
from streams.metrics import StreamRow, streams_summary
from streams.models import StreamLimit, TrimRun
from streams.store import StoreError

RUNS_SHOWN = 20
INVALID = 422  # htmx swaps it in place; a browser shows it as any page

LimitForm = StreamLimitForm | MaxlenForm


@require_safe
@login_required
def streams(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    context: dict[str, Any] = {"now": now}
    try:
        context["summary"] = streams_summary(now=now)
    except StoreError as error:
        context |= {"error": str(error), "limits": StreamLimit.objects.all()}
    return render(request, "streams/_list.html" if request.htmx else "streams/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def limit(request: HttpRequest, limit_id: int) -> HttpResponse:
    """One stream: every field of its limit, its groups, its entries. Reading needs a login, saving the permission."""
    found = get_object_or_404(StreamLimit, pk=limit_id)
    form = StreamLimitForm(request.POST or None, instance=found)
    if request.method == "POST":
        return _save_limit(request, found, form)
    return _limit_page(request, found, form)


@permission_required("streams.change_streamlimit", raise_exception=True)
def _save_limit(request: HttpRequest, found: StreamLimit, form: StreamLimitForm) -> HttpResponse:
    saved, preview = _saved(form, request)
    if not saved:
        return _limit_page(request, _unchanged(found), form, status=INVALID, preview=preview)
    messages.success(request, f"{found.stream}: saved. Producers hold it within a second, and beat trims to it now.")
    return redirect("streams:limit", found.pk)


@require_POST
@login_required
@permission_required("streams.change_streamlimit", raise_exception=True)
def preview(request: HttpRequest, limit_id: int) -> HttpResponse:
    """What the form, or the inline editor, would lose if it were saved as it stands. Saves nothing."""
    found = get_object_or_404(StreamLimit, pk=limit_id)
    form = (StreamLimitForm if "trim_interval" in request.POST else MaxlenForm)(request.POST, instance=found)
    said: LossPreview | None = None
    if form.is_valid():
        try:
            said = services.preview_limit(limit_id, form.changes(), now=timezone.now())
        except ValidationError as error:
            form.add_error(None, error.messages)
    if request.htmx:
        return render(request, "streams/_preview.html", {"preview": said, "form": form, **_agreed(request, said)})
    return _limit_page(request, _unchanged(found), form, status=200 if said else INVALID, preview=said)


def _limit_page(
    request: HttpRequest,
    found: StreamLimit,
    form: StreamLimitForm,
    *,
    status: int = 200,
    preview: LossPreview | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {"limit": found, "form": form, "preview": preview}
    context |= {"refused": preview is not None and status == INVALID, **_agreed(request, preview)}
    context["runs"] = TrimRun.objects.filter(stream=found.stream)[:RUNS_SHOWN]
    try:
        context["row"] = _row(found.pk)
        context |= _inside(request, found.stream)
    except StoreError as error:
        context["error"] = str(error)
    return render(request, "streams/limit.html", context, status=status)


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
        context["entries"] = services.entry_page(stream, before=before, after=after)
    except (ValueError, StoreError) as error:
        context["entries_error"] = str(error)
    return context


def _id(said: str | None) -> EntryId | None:
    """Raises ValueError."""
    return parse_id(said) if said else None


@require_safe
@login_required
def row(request: HttpRequest, limit_id: int) -> HttpResponse:
    """One row of the table, as the inline editor's Cancel puts it back."""
    return _row_fragment(request, limit_id)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@permission_required("streams.change_streamlimit", raise_exception=True)
def maxlen(request: HttpRequest, limit_id: int) -> HttpResponse:
    """The inline editor: the row with a field in it, and after a save the row again."""
    found = get_object_or_404(StreamLimit, pk=limit_id)
    if not request.htmx:  # opened without script, or submitted by it
        return redirect("streams:limit", limit_id)
    form = MaxlenForm(request.POST or None, instance=found)
    if request.method != "POST":
        return _row_fragment(request, limit_id, form=form)
    saved, preview = _saved(form, request)
    if not saved:
        agreed = _agreed(request, preview)
        return _row_fragment(request, limit_id, form=form, preview=preview, status=INVALID, **agreed)
    return _row_fragment(request, limit_id, saved=form.saved_sentence())


def _saved(form: LimitForm, request: HttpRequest) -> tuple[bool, LossPreview | None]:
    """False with the errors in the form; also for what is wrong only together with what someone else just saved.

    Where it was refused for what it would lose, that comes with it.
    """
    if not form.is_valid():
        return False, None
    accepted = AcceptedLoss(request.POST).number
    try:
        services.update_limit(
            form.instance.pk, form.changes(), user_id=request.user.pk, now=timezone.now(), accepted_loss=accepted
        )
    except services.LossRefused as error:
        return False, error.preview
    except ValidationError as error:
        form.add_error(None, error.messages)
        return False, None
    return True, None


def _agreed(request: HttpRequest, preview: LossPreview | None) -> dict[str, Any]:
    """Whether the box stays ticked: as long as what was agreed to covers what is shown now."""
    number = AcceptedLoss(request.POST).number
    return {"agreed": preview is not None and preview.needs_consent and preview.allowed_by(number)}


def _unchanged(found: StreamLimit) -> StreamLimit:
    """Validation wrote the form into its instance."""
    found.refresh_from_db()
    return found


def _row(limit_id: int) -> StreamRow | None:
    return next((row for row in streams_summary(now=timezone.now()).rows if row.limit_id == limit_id), None)


def _row_fragment(request: HttpRequest, limit_id: int, *, status: int = 200, **context: Any) -> HttpResponse:
    get_object_or_404(StreamLimit, pk=limit_id)
    try:
        context["row"] = _row(limit_id)
    except StoreError as error:
        said = f"Saved: {context['saved']} The row can't be shown: {error}" if "saved" in context else str(error)
        return HttpResponse(said, status=503, content_type="text/plain")
    return render(request, "streams/_row.html", context, status=status)
