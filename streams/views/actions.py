"""What an operator does to one stream at once: trim it, take a change of its limit back. POST, after a look at it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from streams.forms import AcceptedLoss
from streams.models import StreamLimit
from streams.services.on_demand import TrimRefused, UnknownStreams, preview_trim, trim_agreed
from streams.services.previews import LossRefused
from streams.services.reverts import CannotRevert, revert_change
from streams.store import StoreError
from streams.views.limits import INVALID
from tradeul_ops import audit


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@permission_required("streams.change_streamlimit", raise_exception=True)
def trim(request: HttpRequest, name: str) -> HttpResponse:
    """Asks first, with what would go; what a group would lose has to be agreed to."""
    context: dict[str, Any] = {"stream": name, "refused": False}
    try:
        if request.method == "POST":
            accepted, now = AcceptedLoss(request.POST).number, timezone.now()
            report = trim_agreed(name, user_id=request.user.pk, now=now, accepted_loss=accepted)
            messages.success(request, report.why)
            return redirect("streams:stream", name)
        context["preview"] = preview_trim(name, now=timezone.now())
    except TrimRefused as error:
        asked_before = AcceptedLoss(request.POST).number > 0
        context |= {"preview": error.preview, "refused": True, "asked_before": asked_before}
    except UnknownStreams as error:
        raise Http404(str(error)) from error
    except StoreError as error:
        context["error"] = str(error)
    status = INVALID if context["refused"] else 503 if "error" in context else 200
    return render(request, "streams/trim.html", context, status=status)


@require_POST
@login_required
@permission_required("streams.change_streamlimit", raise_exception=True)
def revert(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Back to where the button stood, with what was done; a loss is asked about on a page of its own."""
    accepted, now = AcceptedLoss(request.POST).number, timezone.now()
    flag = LogEntry.objects.filter(pk=entry_id).values_list("action_flag", flat=True).first()
    # Taking back an addition deletes, and taking back a deletion adds.
    needed = {audit.ADDED: "delete", audit.DELETED: "add"}.get(flag or 0, "change")
    if not request.user.has_perm(f"streams.{needed}_streamlimit"):
        raise PermissionDenied
    try:
        messages.success(request, revert_change(entry_id, user_id=request.user.pk, now=now, accepted_loss=accepted))
    except LogEntry.DoesNotExist as error:
        raise Http404(gettext("There is no change {entry_id}.").format(entry_id=entry_id)) from error
    except LossRefused as error:
        context = {"entry_id": entry_id, "preview": error.preview, "asked_before": bool(accepted)}
        return render(request, "streams/revert.html", context, status=INVALID)
    except (CannotRevert, ValidationError) as error:
        said = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        messages.error(request, gettext("Not taken back. {said}").format(said=said))
    limit_id = LogEntry.objects.values_list("object_id", flat=True).get(pk=entry_id)
    there = StreamLimit.objects.filter(pk=limit_id).exists()
    return redirect("streams:limit", limit_id) if there else redirect("streams:list")
