"""The console as an installed app: connects what comes after a migration or a login. Has no models."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    name = "tradeul_ops.console"

    def ready(self) -> None:
        from tradeul_ops import databases
        from tradeul_ops.console.idle import limit_lifetime
        from tradeul_ops.console.roles import make_roles

        databases.watch()
        user_logged_in.connect(limit_lifetime, dispatch_uid="console.idle")

        # Not our own: the signal is not sent for an app without models.
        post_migrate.connect(make_roles, sender=apps.get_app_config("auth"), dispatch_uid="console.roles")
