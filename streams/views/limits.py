"""A limit's page: every field of it, what a change would do, and for one stream how that stands."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from streams import services
from streams.engine.changes import ChangePreview
from streams.engine.patterns import matches
from streams.forms import AcceptedLoss, MaxlenForm, StreamLimitForm
from streams.metrics import WORST, glance_at_all
from streams.models import StreamLimit
from streams.services.previews import LOOKED_INTO_WHILE_TYPING
from streams.services.reverts import limit_changes
from streams.store import StoreError
from streams.views.streams import stream_context

INVALID = 422  # htmx swaps it in place; a browser shows it as any page

MATCHED_SHOWN = 50

LimitForm = StreamLimitForm | MaxlenForm


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def limit(request: HttpRequest, limit_id: int) -> HttpResponse:
    """Reading needs a login, saving the permission."""
    found = get_object_or_404(StreamLimit, pk=limit_id)
    form = StreamLimitForm(request.POST or None, instance=found)
    if request.method == "POST":
        return _save_limit(request, found, form)
    return _limit_page(request, found, form)


@permission_required("streams.change_streamlimit", raise_exception=True)
def _save_limit(request: HttpRequest, found: StreamLimit, form: StreamLimitForm) -> HttpResponse:
    saved, preview = save(form, request)
    if not saved:
        return _limit_page(request, _unchanged(found), form, status=INVALID, preview=preview)
    messages.success(
        request,
        gettext("{found}: saved. Producers hold it within a second, and beat trims to it now.").format(found=found),
    )
    return redirect("streams:limit", found.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@permission_required("streams.delete_streamlimit", raise_exception=True)
def delete(request: HttpRequest, limit_id: int) -> HttpResponse:
    """Asks first, with what its streams fall to."""
    found = get_object_or_404(StreamLimit, pk=limit_id)
    preview = services.preview_rule(found.rule, None, now=timezone.now())
    if request.method == "POST":
        accepted, name = AcceptedLoss(request.POST).number, str(found)
        try:
            services.delete_limit(limit_id, user_id=request.user.pk, now=timezone.now(), accepted_loss=accepted)
        except services.LossRefused as error:
            preview = error.preview
        else:
            messages.success(request, gettext("{name}: its limit is deleted.").format(name=name))
            return redirect("streams:list")
    context = {"limit": found, "preview": preview, "unbounded": [c for c in preview.changes if c.new.limit is None]}
    context |= {"refused": request.method == "POST", **agreed(request, preview)}
    return render(request, "streams/delete.html", context, status=INVALID if request.method == "POST" else 200)


@require_POST
@login_required
@permission_required("streams.change_streamlimit", raise_exception=True)
def preview(request: HttpRequest, limit_id: int) -> HttpResponse:
    """What the form, or the inline editor, would do if it were saved as it stands. Saves nothing."""
    found = get_object_or_404(StreamLimit, pk=limit_id)
    form: Any = (StreamLimitForm if "trim_interval" in request.POST else MaxlenForm)(request.POST, instance=found)
    said: ChangePreview | None = None
    if form.is_valid():
        try:
            said = services.preview_limit(limit_id, form.changes(), now=timezone.now(), most=LOOKED_INTO_WHILE_TYPING)
        except ValidationError as error:
            form.add_error(None, error.messages)
    if request.htmx:
        return render(request, "streams/_preview.html", {"preview": said, "form": form, **agreed(request, said)})
    return _limit_page(request, _unchanged(found), form, status=200 if said else INVALID, preview=said)


def _limit_page(
    request: HttpRequest,
    found: StreamLimit,
    form: StreamLimitForm,
    *,
    status: int = 200,
    preview: ChangePreview | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {"limit": found, "form": form, "preview": preview}
    context |= {"refused": preview is not None and status == INVALID, **agreed(request, preview)}
    context["changes"] = limit_changes(found.pk)
    stream = found.rule.stream
    if stream is not None and not found.is_ceiling:
        context |= stream_context(request, stream, services.load_rules().effective(stream))
        return render(request, "streams/limit.html", context, status=status)
    try:
        glances = [one for one in glance_at_all(now=timezone.now()) if matches(found.pattern, one.stream)]
        worst = sorted(glances, key=lambda one: (WORST[one.condition], one.stream))[:MATCHED_SHOWN]
        context |= {"matched": len(glances), "glances": worst}
    except StoreError as error:
        context["error"] = str(error)
    return render(request, "streams/pattern.html", context, status=status)


def save(form: LimitForm, request: HttpRequest) -> tuple[bool, ChangePreview | None]:
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


def agreed(request: HttpRequest, preview: ChangePreview | None) -> dict[str, Any]:
    """Whether the box stays ticked: as long as what was agreed to covers what is shown now."""
    number = AcceptedLoss(request.POST).number
    covered = preview is not None and preview.needs_consent and preview.allowed_by(number)
    return {"agreed": covered, "asked_before": number > 0}


def _unchanged(found: StreamLimit) -> StreamLimit:
    """Validation wrote the form into its instance."""
    found.refresh_from_db()
    return found
