"""Limits and trims in Django's admin. Saves through services, so that this door tells producers and audits as well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from streams import services
from streams.forms import AdminLimitForm
from streams.metrics import WORST, Glance, glance_at_all
from streams.models import StreamLimit, TrimRun
from streams.services.definitions import export_limits
from streams.services.on_demand import TrimRefused, trim_agreed
from streams.store import StoreError


@dataclass(frozen=True)
class Live:
    """How the streams stand that a limit holds for: their lengths summed, the fullest, the worst."""

    state: str = "–"
    length: str = "–"
    usage: str = "–"

    @classmethod
    def of(cls, rows: Sequence[Glance]) -> Live:
        if not rows:
            return cls(gettext("holds for no stream"))
        lengths, usages = [row.length for row in rows], [row.usage_ratio for row in rows]
        worst = min((row.condition for row in rows), key=WORST.__getitem__)
        return cls(
            state=worst
            if len(rows) == 1
            else gettext("{worst} ({number} streams)").format(worst=worst, number=len(rows)),
            length="unknown" if None in lengths else f"{sum(lengths):,}",
            usage="unknown" if None in usages else f"{max(usages):.0%}",
        )


class LiveChangeList(ChangeList):
    """The rows of a page with what Redis says of their streams, asked once for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        try:
            glances = glance_at_all(now=timezone.now())
        except StoreError:
            for limit in self.result_list:
                limit.live = Live(gettext("unknown: Redis is away"), "unknown", "unknown")
            return
        held: dict[int, list[Glance]] = defaultdict(list)
        for glance in glances:
            held[glance.limit_id].append(glance)
        for limit in self.result_list:
            limit.live = Live.of(held[limit.pk])


@admin.register(StreamLimit)
class StreamLimitAdmin(admin.ModelAdmin):
    form = AdminLimitForm
    list_display = ("pattern", "state", "length", "usage", "maxlen", "hard_maxlen", "max_age", "max_bytes")
    list_display += ("priority", "is_ceiling", "enabled")
    list_filter = ("enabled", "is_ceiling", "protect_groups")
    search_fields = ("pattern", "note")
    readonly_fields = ("updated_at", "updated_by")
    actions = ("enforce_now", "switch_on", "switch_off", "export")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LiveChangeList

    @admin.display(description=gettext_lazy("state now"))
    def state(self, obj: StreamLimit) -> str:
        return obj.live.state

    @admin.display(description=gettext_lazy("length now"))
    def length(self, obj: StreamLimit) -> str:
        return obj.live.length

    @admin.display(description=gettext_lazy("used"))
    def usage(self, obj: StreamLimit) -> str:
        return obj.live.usage

    @admin.action(
        description=gettext_lazy("Enforce the selected limits now, where no group loses by it"), permissions=["change"]
    )
    def enforce_now(self, request: HttpRequest, queryset: QuerySet[StreamLimit]) -> None:
        now, done, limits = timezone.now(), 0, set(queryset.values_list("pk", flat=True))
        try:
            held = [glance.stream for glance in glance_at_all(now=now) if glance.limit_id in limits]
            for name in held:
                try:
                    report = trim_agreed(name, user_id=request.user.pk, now=now, accepted_loss=0)
                    done += report.trimmed
                except TrimRefused as error:
                    page = reverse("streams:trim", args=[name])
                    said = format_html('{}: {} <a href="{}">Look, and agree to it there</a>', name, error, page)
                    self.message_user(request, said, messages.WARNING)
        except StoreError as error:
            self.message_user(request, f"Stopped: {error}", messages.ERROR)
            return
        self.message_user(
            request,
            gettext("Enforced for {number} streams: {done} entries went.").format(number=len(held), done=f"{done:,}"),
            messages.SUCCESS,
        )

    @admin.action(description=gettext_lazy("Export the selected limits as JSON"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[StreamLimit]) -> HttpResponse:
        document = export_limits(queryset, now=timezone.now())
        said = {"Content-Disposition": 'attachment; filename="limits.json"'}
        return HttpResponse(document, content_type="application/json", headers=said)

    def save_model(self, request: HttpRequest, obj: StreamLimit, form: AdminLimitForm, change: bool) -> None:
        said = {"user_id": request.user.pk, "now": timezone.now()}
        said["accepted_loss"] = form.cleaned_data["accepted_loss"] or 0
        try:
            if change:
                services.update_limit(obj.pk, form.changes(), **said)
            else:
                services.create_limit(obj, **said)
        except ValidationError as error:  # valid on the page, but not with what someone else saved meanwhile
            self.message_user(
                request, gettext("Not saved: {messages}").format(messages=" ".join(error.messages)), messages.ERROR
            )

    def delete_model(self, request: HttpRequest, obj: StreamLimit) -> None:
        self._delete(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[StreamLimit]) -> None:
        for limit in queryset:
            self._delete(request, limit)

    def _delete(self, request: HttpRequest, limit: StreamLimit) -> None:
        try:
            services.delete_limit(limit.pk, user_id=request.user.pk, now=timezone.now())
        except services.LossRefused as error:
            self.message_user(
                request,
                gettext("{limit}: not deleted. {sentence}").format(limit=limit, sentence=error.preview.sentence),
                messages.ERROR,
            )

    @admin.action(description=gettext_lazy("Switch the selected limits on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[StreamLimit]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description=gettext_lazy("Switch the selected limits off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[StreamLimit]) -> None:
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[StreamLimit], *, enabled: bool) -> None:
        for limit in queryset:
            try:
                services.update_limit(limit.pk, {"enabled": enabled}, user_id=request.user.pk, now=timezone.now())
            except services.LossRefused as error:
                self.message_user(request, f"{limit}: {' '.join(error.messages)}", messages.ERROR)

    # The services write the audit line; admin would write a second one.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None: ...
    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None: ...
    def log_deletions(self, request: HttpRequest, queryset: Any) -> None: ...


@admin.register(TrimRun)
class TrimRunAdmin(admin.ModelAdmin):
    list_display = ("started_at", "stream", "outcome", "trimmed", "forced", "held_by", "detail")
    list_filter = ("outcome", "stream")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TrimRun | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TrimRun | None = None) -> bool:
        return False
