"""Django's admin, which answers 400 where its own would answer 500. Has no page of its own."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.exceptions import DisallowedModelAdminToField
from django.contrib.admin.options import TO_FIELD_VAR
from django.http import HttpRequest
from django.utils.translation import gettext_lazy


class Site(admin.AdminSite):
    site_header = site_title = "tradeul ops"
    index_title = gettext_lazy("Rows behind the pages: limits, policies, accounts")

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Django (5.2) refuses a `_to_field` that is no field with 400, but takes an empty one for a field's name."""

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if "" in (request.GET.get(TO_FIELD_VAR), request.POST.get(TO_FIELD_VAR)):
                raise DisallowedModelAdminToField("An empty field cannot be referenced.")
            return view(request, *args, **kwargs)

        return super().admin_view(checked, cacheable)


class Config(AdminConfig):
    default_site = "tradeul_ops.console.admin_site.Site"
