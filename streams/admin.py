"""Limits and trims in Django's admin. Saves through services, so that this door tells producers and audits as well."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from streams import services
from streams.forms import AdminLimitForm
from streams.models import StreamLimit, TrimRun


@admin.register(StreamLimit)
class StreamLimitAdmin(admin.ModelAdmin):
    form = AdminLimitForm
    list_display = ("pattern", "is_ceiling", "priority", "maxlen", "max_age", "max_bytes", "hard_maxlen", "enabled")
    list_filter = ("enabled", "is_ceiling", "protect_groups")
    search_fields = ("pattern", "note")
    readonly_fields = ("updated_at", "updated_by")
    actions = ("switch_on", "switch_off")

    def save_model(self, request: HttpRequest, obj: StreamLimit, form: AdminLimitForm, change: bool) -> None:
        said = {"user_id": request.user.pk, "now": timezone.now()}
        said["accepted_loss"] = form.cleaned_data["accepted_loss"] or 0
        try:
            if change:
                services.update_limit(obj.pk, form.changes(), **said)
            else:
                services.create_limit(obj, **said)
        except ValidationError as error:  # valid on the page, but not with what someone else saved meanwhile
            self.message_user(request, f"Not saved: {' '.join(error.messages)}", messages.ERROR)

    def delete_model(self, request: HttpRequest, obj: StreamLimit) -> None:
        self._delete(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[StreamLimit]) -> None:
        for limit in queryset:
            self._delete(request, limit)

    def _delete(self, request: HttpRequest, limit: StreamLimit) -> None:
        try:
            services.delete_limit(limit.pk, user_id=request.user.pk, now=timezone.now())
        except services.LossRefused as error:
            self.message_user(request, f"{limit}: not deleted. {error.preview.sentence}", messages.ERROR)

    @admin.action(description="Switch the selected limits on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[StreamLimit]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Switch the selected limits off", permissions=["change"])
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
