"""The inline editor: one row of the table, with a field in it, and after a save the row again."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from streams.forms import MaxlenForm
from streams.models import StreamLimit
from streams.store import StoreError
from streams.views.limits import INVALID, agreed, save
from streams.views.streams import row_of


@require_safe
@login_required
def row(request: HttpRequest, limit_id: int) -> HttpResponse:
    """One row of the table, as the inline editor's Cancel puts it back."""
    return _row_fragment(request, get_object_or_404(StreamLimit, pk=limit_id))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@permission_required("streams.change_streamlimit", raise_exception=True)
def maxlen(request: HttpRequest, limit_id: int) -> HttpResponse:
    found = get_object_or_404(StreamLimit, pk=limit_id)
    if not request.htmx or found.rule.stream is None or found.maxlen is None:  # opened without script, or by it
        return redirect("streams:limit", limit_id)
    form = MaxlenForm(request.POST or None, instance=found)
    if request.method != "POST":
        return _row_fragment(request, found, form=form)
    saved, preview = save(form, request)
    if not saved:
        told = agreed(request, preview)
        return _row_fragment(request, found, form=form, preview=preview, status=INVALID, **told)
    return _row_fragment(request, found, saved=form.saved_sentence())


def _row_fragment(request: HttpRequest, found: StreamLimit, *, status: int = 200, **context: Any) -> HttpResponse:
    try:
        context["row"] = row_of(found.rule.stream or found.pattern)
    except StoreError as error:
        said = (
            gettext("Saved: {context} The row can't be shown: {error}").format(context=context["saved"], error=error)
            if "saved" in context
            else str(error)
        )
        return HttpResponse(said, status=503, content_type="text/plain")
    return render(request, "streams/_row.html", context, status=status)
