"""The snapshot pages: the list, one snapshot with its policy's form, the live table. Saves only through `services`."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from snapshots.engine.errors import SnapshotError
from snapshots.engine.names import keys_of
from snapshots.forms import SnapshotPolicyForm
from snapshots.metrics import SnapshotRow, snapshots_summary
from snapshots.models import SHORTEST_INTERVAL, SnapshotPolicy
from snapshots.services import ledger, serving, update_policy
from snapshots.store import NothingPublished

INVALID = 422
# What the live table shows at first, of the fields that the snapshot has.
COLUMNS = ("price", "change_percent", "volume_today", "rvol", "bid", "ask", "score", "sector")


@require_safe
@login_required
def snapshots(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    context: dict[str, Any] = {"now": now}
    try:
        context["summary"] = snapshots_summary(now=now)
    except SnapshotError as error:
        context |= {"error": str(error), "policies": SnapshotPolicy.objects.all()}
    return render(request, "snapshots/_list.html" if request.htmx else "snapshots/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def policy(request: HttpRequest, policy_id: int) -> HttpResponse:
    """One snapshot: its state, its builds, its policy's form. Reading needs a login, saving the permission."""
    found = get_object_or_404(SnapshotPolicy, pk=policy_id)
    if request.method == "POST":
        return _save(request, found)
    if request.htmx:
        return render(request, "snapshots/_ledger.html", _ledger(found))
    return _policy_page(request, found, SnapshotPolicyForm(instance=found))


@permission_required("snapshots.change_snapshotpolicy", raise_exception=True)
def _save(request: HttpRequest, found: SnapshotPolicy) -> HttpResponse:
    form = SnapshotPolicyForm(request.POST, instance=found)
    if form.is_valid():
        try:
            update_policy(found.pk, form.changes(), user_id=request.user.pk)
        except ValidationError as error:  # valid by itself, but not with what someone else saved meanwhile
            form.add_error(None, error.messages)
        else:
            messages.success(request, gettext("{name}: saved. The next build obeys it.").format(name=found.name))
            return redirect("snapshots:policy", found.pk)
    found.refresh_from_db()  # validation wrote the form into it
    return _policy_page(request, found, form, status=INVALID)


def _policy_page(
    request: HttpRequest, found: SnapshotPolicy, form: SnapshotPolicyForm, *, status: int = 200
) -> HttpResponse:
    return render(request, "snapshots/policy.html", {**_ledger(found), "form": form}, status=status)


def _ledger(found: SnapshotPolicy) -> dict[str, Any]:
    now = timezone.now()
    context: dict[str, Any] = {"policy": found, "now": now, "builds": ledger.recent_builds(found)}
    context["broken"] = ledger.chain_broken(found)
    try:
        context["row"] = _row(found.pk)
        context["restore"] = ledger.last_restore(found.name)
        context["head"] = serving.read_head(found.name)
    except NothingPublished:
        pass  # the row says so
    except SnapshotError as error:
        context["error"] = str(error)
    return context


def _row(policy_id: int) -> SnapshotRow | None:
    return next((row for row in snapshots_summary(now=timezone.now()).rows if row.policy_id == policy_id), None)


@require_POST
@login_required
@permission_required("snapshots.change_snapshotpolicy", raise_exception=True)
def restore(request: HttpRequest, policy_id: int) -> HttpResponse:
    """Rebuilds the snapshot from what is in Redis, and says how long that took. Changes nothing that is published."""
    found = get_object_or_404(SnapshotPolicy, pk=policy_id)
    try:
        done = ledger.test_restore(found, now=timezone.now())
    except SnapshotError as error:
        messages.error(request, gettext("Not restored: {error}").format(error=error))
    else:
        if done.error:
            messages.error(request, done.error)
        else:
            messages.success(
                request,
                gettext("Rebuilt {tickers} tickers at sequence {sequence}.").format(
                    tickers=f"{done.tickers:,}", sequence=f"{done.sequence:,}"
                ),
            )
    return redirect("snapshots:policy", found.pk)


@require_safe
@login_required
def live(request: HttpRequest, list_name: str) -> HttpResponse:
    """The table that the browser's reader keeps; without script, the first rows of the newest full."""
    try:
        keys_of(list_name)
    except ValueError as error:
        raise Http404(str(error)) from error
    found = SnapshotPolicy.objects.filter(name=list_name).first()
    interval = found.build_interval if found else SHORTEST_INTERVAL
    context: dict[str, Any] = {"name": list_name, "policy": found, "columns": COLUMNS, "every": interval}
    context["every_ms"] = int(interval.total_seconds() * 1000)
    try:
        context["top"] = ledger.top_rows(list_name, columns=COLUMNS)
    except NothingPublished as error:
        context["nothing"] = str(error)
    except SnapshotError as error:
        context["error"] = str(error)
    return render(request, "snapshots/live.html", context)
