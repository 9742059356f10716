"""The hypertable pages: the list, one table or aggregate with its policy, and what can be done to it now.

Reading needs a login. Whatever changes something is a POST with a permission, shown first and then confirmed.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from timescale import services
from timescale.engine.drift import Kind
from timescale.engine.loss import DropPreview
from timescale.forms import AggregatePolicyForm, HypertablePolicyForm, PolicyForm
from timescale.metrics import aggregate_detail, disk_outlook, hypertables_summary, sort_rows, table_detail
from timescale.models import AggregatePolicy, HypertablePolicy, TableAction
from timescale.store.errors import TimescaleError

INVALID = 422  # htmx swaps it in place; a browser shows it as any page
AWAY = 503
CHANGE = {"tables": "timescale.change_hypertablepolicy", "aggregates": "timescale.change_aggregatepolicy"}
ACT = "timescale.act_on_tables"
MODELS = {"tables": HypertablePolicy, "aggregates": AggregatePolicy}
PAGES = {"tables": "hypertables:table", "aggregates": "hypertables:aggregate"}

Policy = HypertablePolicy | AggregatePolicy


@require_safe
@login_required
def hypertables(request: HttpRequest) -> HttpResponse:
    context: dict[str, Any] = {"now": timezone.now()}
    asked = request.GET.get("sort", "")
    try:
        summary = hypertables_summary(now=context["now"])
        context |= {"summary": summary, "rows": sort_rows(summary.rows, asked), "sorted_by": asked}
        context["disk"] = disk_outlook(request.GET.get("disk_gb", ""), summary)
    except TimescaleError as error:
        context |= {"error": str(error), "policies": HypertablePolicy.objects.all()}
    return render(request, "timescale/_list.html" if request.htmx else "timescale/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def policy(request: HttpRequest, what: str, policy_id: int) -> HttpResponse:
    found = _found(what, policy_id)
    if request.method != "POST":
        return _page(request, what, found)
    _need(request, CHANGE[what])
    form = _form(found, data=request.POST)
    refused: DropPreview | None = None
    if form.is_valid():
        try:
            consent = request.POST.get("consent", "")
            services.update_policy(
                type(found), found.pk, changes=form.changes(), user_id=request.user.pk, consent=consent
            )
            messages.success(request, _saved(found, form))
            return redirect(PAGES[what], policy_id)
        except services.LossRefused as error:
            refused = error.preview
        except ValidationError as error:
            _add_errors(form, error)
        except TimescaleError as error:
            form.add_error(None, str(error))
    return _page(request, what, _found(what, policy_id), form=form, preview=refused, status=INVALID)


@require_POST
@login_required
def preview(request: HttpRequest, what: str, policy_id: int) -> HttpResponse:
    """What the form would drop if it were saved as it stands. Saves nothing."""
    _need(request, CHANGE[what])
    found = _found(what, policy_id)
    form = _form(found, data=request.POST)
    said: DropPreview | None = None
    if form.is_valid():
        try:
            said = services.preview_change(_found(what, policy_id), form.changes(), now=timezone.now())
        except ValidationError as error:
            _add_errors(form, error)
    if request.htmx:
        agreed = said is not None and said.allowed_by(request.POST.get("consent", ""))
        return render(request, "timescale/_preview.html", {"preview": said, "form": form, "agreed": agreed})
    status = INVALID if form.errors else 200
    return _page(request, what, _found(what, policy_id), form=form, preview=said, status=status, asked=True)


@require_POST
@login_required
def resolve_drift(request: HttpRequest, what: str, policy_id: int) -> HttpResponse:
    """Adopts what the database has, or applies the row again; first shown, then confirmed."""
    _need(request, CHANGE[what])
    found, now = _found(what, policy_id), timezone.now()
    try:
        aspect = Kind(request.POST.get("aspect", ""))
    except ValueError:
        raise PermissionDenied(_("There is no such setting.")) from None
    adopting = request.POST.get("do") == "adopt"
    try:
        if "confirmed" not in request.POST:
            return _confirm_drift(request, what, found, aspect, adopting=adopting)
        if adopting:
            mark = request.POST.get("mark", "")
            services.adopt_drift(type(found), found.pk, aspect=aspect, seen_mark=mark, user_id=request.user.pk, now=now)
            messages.success(
                request, _("Adopted: the policy says now what the database does ({aspect}).").format(aspect=aspect)
            )
        elif services.reapply_policy(type(found), found.pk, aspect=aspect, user_id=request.user.pk):
            messages.success(
                request, _("Re-applied: the database does now what the policy says ({aspect}).").format(aspect=aspect)
            )
        else:
            messages.error(
                request,
                _("Not re-applied: the server refused it, or it is as the policy says ({aspect}).").format(
                    aspect=aspect
                ),
            )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    except TimescaleError as error:
        messages.error(request, _("Not done. {error}").format(error=error))
    return redirect(PAGES[what], policy_id)


def _confirm_drift(request: HttpRequest, what: str, found: Policy, aspect: Kind, *, adopting: bool) -> HttpResponse:
    detail = _detail(found)
    drift = next((one for one in detail.drifts if one.aspect.kind is aspect and not one.in_sync), None)
    if drift is None:
        raise ValidationError(_("The {aspect} is in sync: there is nothing to do.").format(aspect=aspect))
    name = found.wanted().name
    if adopting:
        sentence = _("The policy of {name} will say what the database has: {aspect} {actual}.").format(
            name=name, aspect=aspect, actual=drift.aspect.actual
        )
        said: tuple[str, ...] = (_("The database itself is not changed."),)
    else:
        sentence = _("The database will do what the policy of {name} says: {aspect} {wanted}.").format(
            name=name, aspect=aspect, wanted=drift.aspect.wanted
        )
        said = (_("What the database has now, {actual}, is replaced.").format(actual=drift.aspect.actual),)
        if aspect is Kind.RETENTION:
            said += (
                _("Where this shortens what is kept, the first run waits the grace, and can be undone until then."),
            )
    hidden = {"aspect": aspect, "do": "adopt" if adopting else "reapply", "mark": drift.aspect.actual_mark}
    context = {
        "sentence": sentence,
        "warnings": said,
        "sql": () if adopting else drift.sql,
        "hidden": hidden,
        "action": request.path,
        "verb": "Adopt" if adopting else "Re-apply",
        **_names(what, found),
    }
    return render(request, "timescale/confirm.html", context)


@require_POST
@login_required
def undo(request: HttpRequest, what: str, policy_id: int) -> HttpResponse:
    """One click, without a confirmation: it keeps more, and the time for it runs out."""
    _need(request, CHANGE[what])
    found = _found(what, policy_id)
    try:
        services.undo_shortening(type(found), found.pk, user_id=request.user.pk, now=timezone.now())
        messages.success(
            request, _("Undone: the bound is as it was before, and nothing was dropped for the shorter one.")
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect(PAGES[what], policy_id)


@require_POST
@login_required
def act(request: HttpRequest, what: str, policy_id: int) -> HttpResponse:
    """Compress, drop, refresh or run a job now: planned and shown, then confirmed and left to a worker."""
    _need(request, ACT)
    found, now = _found(what, policy_id), timezone.now()
    verb = request.POST.get("verb", "")
    arguments = {name: request.POST[name] for name in ("older_than", "start", "end", "job_id") if name in request.POST}
    try:
        if "confirmed" in request.POST:
            consent = request.POST.get("consent", "")
            action = services.request_action(found, verb, arguments, consent=consent, user=request.user, now=now)
            if action.phase != TableAction.Phase.FAILED:
                messages.success(request, _("Asked for. A worker does it; how far it is stands under Actions."))
            return redirect(PAGES[what], policy_id)
        plan = services.plan_action(found, verb, arguments, now=now)
    except (ValidationError, TimescaleError) as error:
        messages.error(request, " ".join(error.messages) if isinstance(error, ValidationError) else str(error))
        return redirect(PAGES[what], policy_id)
    context = {
        "sentence": plan.sentence,
        "warnings": plan.warnings,
        "hidden": {"verb": plan.verb, "consent": plan.consent, **plan.arguments},
        "action": request.path,
        "verb": plan.verb.label.capitalize(),
        "destroys": plan.destroys,
        **_names(what, found),
    }
    return render(request, "timescale/confirm.html", context)


@require_POST
@login_required
def retry(request: HttpRequest, what: str, policy_id: int) -> HttpResponse:
    _need(request, ACT)
    found = _found(what, policy_id)
    job_id = request.POST.get("job_id", "")
    if "confirmed" not in request.POST:
        context = {
            "sentence": _("The server starts job {job_id} of {name} within seconds, in the background.").format(
                job_id=job_id, name=found.wanted().name
            ),
            "warnings": (_("A retention job drops what is past its bound."),),
            "hidden": {"job_id": job_id},
            "action": request.path,
            "verb": "Retry",
            **_names(what, found),
        }
        return render(request, "timescale/confirm.html", context)
    try:
        services.retry_job(found, int(job_id) if job_id.isdecimal() else 0, user_id=request.user.pk)
        messages.success(request, _("Job {job_id} is due now.").format(job_id=job_id))
    except (ValidationError, TimescaleError) as error:
        messages.error(request, " ".join(error.messages) if isinstance(error, ValidationError) else str(error))
    return redirect(PAGES[what], policy_id)


# --- one page --------------------------------------------------------------------------------------------------------
def _page(
    request: HttpRequest,
    what: str,
    found: Policy,
    *,
    form: PolicyForm | None = None,
    preview: DropPreview | None = None,
    status: int = 200,
    asked: bool = False,
) -> HttpResponse:
    context: dict[str, Any] = {"policy": found, "preview": preview, "now": timezone.now(), **_names(what, found)}
    context |= {"refused": preview is not None and not asked, "may_change": request.user.has_perm(CHANGE[what])}
    context["may_act"] = request.user.has_perm(ACT)
    in_force: dict[str, Any] = {}
    try:
        context["detail"] = _detail(found)
        in_force = dict(context["detail"].in_force)
    except TimescaleError as error:
        context["error"] = str(error)
    if request.htmx and request.method != "POST":
        return render(request, "timescale/_detail.html", context)
    context["form"] = form or _form(found, in_force=in_force)
    return render(request, "timescale/detail.html", context, status=status)


def _names(what: str, found: Policy) -> dict[str, Any]:
    return {"what": what, "policy": found, "name": found.wanted().name, "page": PAGES[what]}


def _detail(found: Policy) -> Any:
    now = timezone.now()
    return table_detail(found, now=now) if isinstance(found, HypertablePolicy) else aggregate_detail(found, now=now)


def _form(found: Policy, **said: Any) -> PolicyForm:
    kind = HypertablePolicyForm if isinstance(found, HypertablePolicy) else AggregatePolicyForm
    return kind(said.pop("data", None), instance=found, **said)


def _found(what: str, policy_id: int) -> Policy:
    return get_object_or_404(MODELS[what], pk=policy_id)


def _need(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _saved(found: Policy, form: PolicyForm) -> str:
    if not form.changes():
        return _("{name}: nothing was changed.").format(name=found.wanted().name)
    return _("{name}: saved {value}.").format(name=found.wanted().name, value=", ".join(form.changes()))


def _add_errors(form: PolicyForm, error: ValidationError) -> None:
    """Under the field where this form has it; valid here, but not with what someone else saved meanwhile."""
    by_field = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    for name, texts in by_field.items():
        form.add_error(name if name in form.fields else None, texts)
