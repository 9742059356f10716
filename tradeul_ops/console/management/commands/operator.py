"""Makes or refreshes a console account, with a role or all permissions, and a password from standard input."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from tradeul_ops.console.roles import ROLES


class Command(BaseCommand):
    help = "Makes the account NAME, or sets its password, which is read from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", choices=tuple(ROLES), help="only what this role may; without it: everything")

    def handle(self, *args: Any, name: str, role: str | None, **options: Any) -> None:
        password = sys.stdin.read().strip()
        if not password:
            raise CommandError("No password on standard input.")
        user, made = get_user_model().objects.get_or_create(
            username=name, defaults={"is_staff": True, "is_superuser": role is None}
        )
        user.set_password(password)
        if role is not None:
            user.is_superuser = False
        user.save()
        if role is not None:
            user.groups.set(Group.objects.filter(name=role))
        self.stdout.write(f"{name}: {'made' if made else 'password set'}{f', {role}' if role else ''}")
