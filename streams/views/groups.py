"""Destroying a consumer group: what it would lose, its name typed again, then the deed. Acts only through services."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from streams.engine.abandoned import Needs
from streams.engine.samples import NO_SERIES
from streams.services import groups, samples
from streams.store import GroupShown, StoreError

SALT = "streams.destroy_group"
SHOWN_FOR = 600  # seconds: what was looked at longer ago has to be looked at again
INVALID = 422


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@permission_required("streams.destroy_group", raise_exception=True)
def destroy(request: HttpRequest) -> HttpResponse:
    """`?stream=…&group=…`. Whoever posts says by a signed value what they were shown."""
    stream, name = request.GET.get("stream", ""), request.GET.get("group", "")
    page = _page_of(stream)
    error = _destroyed(request, stream, name) if request.method == "POST" else ""
    if error is None:
        messages.success(
            request,
            gettext("Group {name} of {stream} is destroyed. What only it kept goes with the next trim.").format(
                name=name, stream=stream
            ),
        )
        return redirect(page)
    context: dict[str, Any] = {"stream": stream, "name": name, "page": page, "error": error, "now": timezone.now()}
    try:
        series = samples.recent_samples([stream], now=context["now"]).get(stream, NO_SERIES)
        preview = groups.preview_destroy(stream, name, newest=series.newest_groups, now=context["now"])
        context |= {"preview": preview, "shown": _signed(preview)}
    except (groups.NoSuchGroup, StoreError) as problem:
        context["problem"] = str(problem)
    return render(request, "streams/destroy_group.html", context, status=INVALID if error else 200)


def _destroyed(request: HttpRequest, stream: str, name: str) -> str | None:
    """None where it is done; else why not."""
    try:
        said = signing.loads(request.POST.get("shown", ""), salt=SALT, max_age=SHOWN_FOR)
    except signing.BadSignature:
        return gettext("Not destroyed: what was shown is too old. This is how it stands now.")
    if (said["stream"], said["group"]) != (stream, name):
        return gettext("Not destroyed: another group was shown. This is how this one stands.")
    if request.POST.get("name", "").strip() != name:
        return gettext("Not destroyed: type the group's name, {name}, to say that you mean it.").format(name=name)
    try:
        groups.destroy_group(
            stream, name, needs=Needs(**said["needs"]), shown=GroupShown(**said["shown"]), user_id=request.user.pk
        )
    except (groups.NoSuchGroup, groups.GroupActive, StoreError) as problem:
        return str(problem)
    return None


def _signed(preview: groups.GroupPreview) -> str:
    said = {"needs": asdict(preview.needs), "shown": asdict(preview.shown)}
    return signing.dumps({"stream": preview.stream, "group": preview.name, **said}, salt=SALT)


def _page_of(stream: str) -> str:
    if not stream:
        raise Http404(gettext("Say which stream and group: ?stream=…&group=…"))
    return reverse("streams:stream", args=[stream]) + "#groups"
