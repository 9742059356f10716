"""Django admin: the policies, changed through the services; the runs, to read."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import ValidationError

from timescale import services
from timescale.forms import AggregatePolicyForm, HypertablePolicyForm
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionRun


class PolicyAdmin(admin.ModelAdmin):
    """Rows come from migrations, since each stands for a table that a migration made. To stop one, disable it."""

    actions = None

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        try:
            services.update_policy(type(obj), obj.pk, changes=form.changes(), user_id=request.user.pk)
        except ValidationError as error:  # valid on the page, but not with what someone else saved meanwhile
            self.message_user(request, f"Not saved: {' '.join(error.messages)}", messages.ERROR)

    def log_change(self, request, obj, message):
        """The service has written the line, with the old values and the new."""


@admin.register(HypertablePolicy)
class HypertablePolicyAdmin(PolicyAdmin):
    form = HypertablePolicyForm
    list_display = ("table_name", "drop_after", "chunk_time_interval", "columnstore_after", "enabled")


@admin.register(AggregatePolicy)
class AggregatePolicyAdmin(PolicyAdmin):
    form = AggregatePolicyForm
    list_display = ("view_name", "source", "start_offset", "end_offset", "schedule_interval", "drop_after")


@admin.register(RetentionRun)
class RetentionRunAdmin(admin.ModelAdmin):
    list_display = ("table_name", "started_at", "outcome", "rows_dropped", "chunks_dropped", "enforced_by", "detail")
    list_filter = ("outcome", "table_name")
    actions = None

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
