"""The console as an installed app: connects what comes after a migration. Has no models."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    name = "tradeul_ops.console"

    def ready(self) -> None:
        from tradeul_ops import databases
        from tradeul_ops.console.roles import make_roles

        databases.watch()

        # Not our own: the signal is not sent for an app without models.
        post_migrate.connect(make_roles, sender=apps.get_app_config("auth"), dispatch_uid="console.roles")
