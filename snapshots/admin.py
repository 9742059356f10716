"""Policies and builds in Django's admin. Saves through services, so that this door audits as well."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from snapshots import services
from snapshots.forms import SnapshotPolicyForm
from snapshots.models import SnapshotBuild, SnapshotPolicy


@admin.register(SnapshotPolicy)
class SnapshotPolicyAdmin(admin.ModelAdmin):
    form = SnapshotPolicyForm
    list_display = ("name", "source_key", "build_interval", "full_snapshot_interval", "is_default", "enabled")
    list_filter = ("enabled",)
    search_fields = ("name", "source_key", "note")
    readonly_fields = ("updated_at", "updated_by")

    def save_model(self, request: HttpRequest, obj: SnapshotPolicy, form: SnapshotPolicyForm, change: bool) -> None:
        try:
            if change:
                services.update_policy(obj.pk, form.changes(), user_id=request.user.pk)
            else:
                services.create_policy(obj, user_id=request.user.pk)
        except ValidationError as error:  # valid on the page, but not with what someone else saved meanwhile
            self.message_user(
                request, gettext("Not saved: {messages}").format(messages=" ".join(error.messages)), messages.ERROR
            )

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list, dict, set, list]:
        """Builds go with their policy, although nobody may delete them alone."""
        return [str(obj) for obj in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: SnapshotPolicy) -> None:
        services.delete_policy(obj.pk, user_id=request.user.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SnapshotPolicy]) -> None:
        for policy in queryset:
            services.delete_policy(policy.pk, user_id=request.user.pk)

    # The services write the audit line; admin would write a second one.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None: ...
    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None: ...
    def log_deletions(self, request: HttpRequest, queryset: Any) -> None: ...


@admin.register(SnapshotBuild)
class SnapshotBuildAdmin(admin.ModelAdmin):
    list_display = (
        "started_at",
        "policy",
        "outcome",
        "kind",
        "sequence",
        "updated",
        "stored_bytes",
        "reason",
        "detail",
    )
    list_filter = ("outcome", "kind", "policy")
    list_select_related = ("policy",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SnapshotBuild | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SnapshotBuild | None = None) -> bool:
        return False
