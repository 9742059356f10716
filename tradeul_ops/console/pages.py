"""Findings, changes, producers, jobs and verify: each reads one value, and shows it as a page or as what changes."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from tradeul_ops.console.changes import read_changes
from tradeul_ops.console.drawing import drawn_together
from tradeul_ops.console.findings import judge_and_note
from tradeul_ops.console.jobs import PERMISSIONS, JobRefused, permission_of, read_jobs, run_task_now
from tradeul_ops.console.overview import read_overview
from tradeul_ops.console.panels import read
from tradeul_ops.console.producers import read_producers
from tradeul_ops.console.runbook import ENTRIES
from tradeul_ops.console.verify import verify as verify_all
from tradeul_ops.polls import is_poll


@require_safe
@login_required
@drawn_together
def findings(request: HttpRequest) -> HttpResponse:
    found = judge_and_note(read_overview(now=timezone.now(), polled=is_poll(request)))
    return _page(request, "findings", findings=found)


@require_safe
@login_required
def changes(request: HttpRequest) -> HttpResponse:
    asked = request.GET
    found = read_changes(of=asked.get("of", ""), by=asked.get("by", ""), number=asked.get("page"), now=timezone.now())
    return _page(request, "changes", changes=found)


@require_safe
@login_required
def producers(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    return _page(request, "producers", panel=read("Producers", read_producers, now=now), now=now)


@require_safe
@login_required
def jobs(request: HttpRequest) -> HttpResponse:
    allowed = {permission for permission in PERMISSIONS.values() if request.user.has_perm(permission)}
    return _page(request, "jobs", jobs=read_jobs(now=timezone.now()), allowed=allowed)


@require_POST
@login_required
def run_job(request: HttpRequest) -> HttpResponse:
    task = request.POST.get("task", "")
    if not request.user.has_perm(permission_of(task)):
        raise PermissionDenied
    try:
        run_task_now(task, user_id=request.user.pk or 0)
        messages.success(request, gettext("{task} is sent: a worker does it as soon as it is free.").format(task=task))
    except JobRefused as error:
        messages.error(request, gettext("Not run. {error}").format(error=error))
    return redirect("jobs")


@require_safe
@login_required
def verify(request: HttpRequest) -> HttpResponse:
    return _page(request, "verify", report=verify_all(now=timezone.now()))


@require_safe
@login_required
def runbook(request: HttpRequest) -> HttpResponse:
    return render(request, "runbook.html", {"entries": ENTRIES})


def _page(request: HttpRequest, name: str, **context: object) -> HttpResponse:
    template = f"_{_FRAGMENTS.get(name, name)}.html" if getattr(request, "htmx", False) else f"{name}.html"
    return render(request, template, context)


_FRAGMENTS = {"findings": "findings_page"}
