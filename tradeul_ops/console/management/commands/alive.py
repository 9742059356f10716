"""Ends with 0 if the worker or beat said lately that it lives: a container's health check. Starts nothing."""

from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tradeul_ops.console.processes import processes_summary


class Command(BaseCommand):
    help = "Ends with 0 if ROLE said within the last seconds that it lives."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", choices=("worker", "beat"))

    def handle(self, *args: Any, role: str, **options: Any) -> None:
        try:
            process = getattr(processes_summary(now=timezone.now()), role)
        except redis.RedisError as error:
            raise CommandError(f"the broker does not answer: {error}") from error
        if process.condition != "within":
            raise CommandError(f"{role}: last seen {process.last_seen or 'more than an hour ago'}")
        self.stdout.write(f"{role}: {process.last_seen:%H:%M:%S}")
