"""`timescale apply` makes TimescaleDB's jobs what the policy rows say; `timescale status` says how the tables stand."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from timescale import services
from timescale.engine.durations import spell
from timescale.metrics import HypertablesSummary, hypertables_summary
from timescale.store.errors import TimescaleError


class Command(BaseCommand):
    help = "TimescaleDB's policies: apply the rows, or say how the tables stand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["apply", "status"])

    def handle(self, *, what: str, **_: Any) -> None:
        try:
            if what == "apply":
                self.apply()
            else:
                self.status(hypertables_summary(now=timezone.now()))
        except (TimescaleError, OperationalError) as error:
            raise CommandError(str(error).strip()) from error

    def apply(self) -> None:
        changed = services.reconcile_policies()
        for difference in changed:
            self.stdout.write(f"{difference.relation}: {difference.kind} is now {difference.wanted}")
        summary = hypertables_summary(now=timezone.now())
        self.stdout.write(f"{len(changed)} changed. Edition: {summary.edition}. {summary.edition_means}")

    def status(self, summary: HypertablesSummary) -> None:
        version = f" {summary.edition_version}" if summary.edition_version else ""
        self.stdout.write(
            f"PostgreSQL {summary.server_version}, edition {summary.edition}{version}. {summary.edition_means}"
        )
        for row in summary.rows:
            size = "size unknown" if row.bytes is None else f"{row.bytes / 1e6:,.1f} MB"
            self.stdout.write(
                f"{row.condition:9} {row.table}: {size}, kept {spell(row.drop_after)} ({row.enforced_by}), "
                f"columnstore {row.columnstore}. {row.why}"
            )
        for aggregate in summary.aggregates:
            self.stdout.write(f"{'':9} {aggregate.view}: {aggregate.kind}, {aggregate.refresh}")
