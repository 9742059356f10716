"""Django admin: the policies, changed through the services; what was done and applied, to read."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from timescale import services
from timescale.forms import AdminAggregatePolicyForm, AdminHypertablePolicyForm
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionRun, TableAction


class PolicyAdmin(admin.ModelAdmin):
    """Rows come from migrations, since each stands for a table that a migration made. To stop one, disable it."""

    actions = None
    page = ""

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    @admin.display(description=gettext_lazy("now"))
    def state(self, obj):
        """Its page: size, drift and jobs. A list of rows asks no catalogue."""
        return format_html('<a href="{}">look</a>', reverse(self.page, args=[obj.pk]))

    def save_model(self, request, obj, form, change):
        try:
            services.update_policy(
                type(obj), obj.pk, changes=form.changes(), user_id=request.user.pk, consent=form.consent_given
            )
        except ValidationError as error:  # valid on the page, but not with what someone else saved meanwhile
            self.message_user(
                request, gettext("Not saved: {messages}").format(messages=" ".join(error.messages)), messages.ERROR
            )

    def log_change(self, request, obj, message):
        """The service has written the line, with the old values and the new."""


@admin.register(HypertablePolicy)
class HypertablePolicyAdmin(PolicyAdmin):
    form = AdminHypertablePolicyForm
    page = "hypertables:table"
    list_display = ("table_name", "drop_after", "chunk_time_interval", "columnstore_after", "enabled", "state")


@admin.register(AggregatePolicy)
class AggregatePolicyAdmin(PolicyAdmin):
    form = AdminAggregatePolicyForm
    page = "hypertables:aggregate"
    list_display = ("view_name", "source", "start_offset", "end_offset", "schedule_interval", "drop_after", "state")


class ReadOnlyAdmin(admin.ModelAdmin):
    actions = None

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(RetentionRun)
class RetentionRunAdmin(ReadOnlyAdmin):
    list_display = ("table_name", "started_at", "outcome", "rows_dropped", "chunks_dropped", "enforced_by", "detail")
    list_filter = ("outcome", "table_name")


@admin.register(TableAction)
class TableActionAdmin(ReadOnlyAdmin):
    list_display = ("relation", "verb", "asked_at", "asked_by", "phase", "steps_done", "steps_total", "detail")
    list_filter = ("phase", "verb", "relation")
