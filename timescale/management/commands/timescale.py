"""`timescale status|plan|apply|upgrade|drift|refresh|verify`: for a shell and for cron. A door; services do the work.

Exit code 0: as it should be. 1: something differs, fails, or was refused. 2: PostgreSQL is away.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from timescale import services
from timescale.engine.refreshing import Window
from timescale.management import printing
from timescale.metrics import hypertables_summary
from timescale.services.adoption import Plan, plan_upgrade, spell_plan, upgrade
from timescale.services.errors import RefreshRefused, UpgradeRunning
from timescale.services.refreshing import fill_aggregates, refresh_window
from timescale.services.verify import verify
from timescale.store import catalog
from timescale.store.errors import ServerAway, TimescaleError, named

ATTENTION, AWAY = 1, 2


class Command(BaseCommand):
    help = "TimescaleDB: how the tables stand, what an upgrade would do, policies, drift, refreshes, verification."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="what", required=True)
        for what, says in (
            ("status", "How the tables stand; exit code 1 if not all are within."),
            ("plan", "Each step of an upgrade, its lock and about how long. Changes nothing; exit code 1 if any."),
            ("apply", "Make TimescaleDB's jobs and settings what the policy rows say."),
            ("upgrade", "Do what plan says: migrate, adopt, follow the edition, fill aggregates, apply policies."),
            ("drift", "Where the server differs from the policy rows; exit code 1 if anywhere."),
            ("refresh", "Refresh aggregates: what no policy reaches, or one window of one view."),
            ("verify", "The guide's verification: expected, found, SQL; exit code 1 if one fails."),
        ):
            part = parts.add_parser(what, help=says)
            part.add_argument("--json", action="store_true", help="for machines; durations in seconds")
            if what == "refresh":
                part.add_argument("view", nargs="?", metavar="VIEW")
                part.add_argument(
                    "--from", dest="start", type=_moment, metavar="TIME", help="ISO 8601; UTC without zone"
                )
                part.add_argument("--to", dest="end", type=_moment, metavar="TIME", help="now without it")

    def handle(self, *, what: str, json: bool, **options: Any) -> None:
        doors: dict[str, Callable[..., bool]] = {
            "status": self.status,
            "plan": self.plan,
            "apply": self.apply,
            "upgrade": self.upgrade,
            "drift": self.drift,
            "refresh": self.refresh,
            "verify": self.verify,
        }
        try:
            within = doors[what](json=json, **options)
        except (OperationalError, InterfaceError) as error:
            raise _refusal(named("the database", error)) from error
        except (TimescaleError, RefreshRefused, UpgradeRunning) as error:
            raise _refusal(error) from error
        if not within:
            sys.exit(ATTENTION)

    def status(self, *, json: bool, **_: Any) -> bool:
        summary = hypertables_summary(now=timezone.now())
        self.stdout.write(printing.as_json(summary) if json else printing.status_table(summary))
        return all(row.condition == "within" for row in summary.rows)

    def plan(self, *, json: bool, **_: Any) -> bool:
        plan = plan_upgrade(now=timezone.now())
        self._print_plan(plan, json=json)
        return not plan.changes

    def upgrade(self, *, json: bool, **_: Any) -> bool:
        done = upgrade(now=timezone.now()).done
        if json:
            self.stdout.write(printing.as_json({"done": done}))
        else:
            self.stdout.write("\n".join(done) or "Nothing to do.")
        return True

    def apply(self, *, json: bool, **_: Any) -> bool:
        changed = services.apply_policies()
        left = self._differences()
        if json:
            self.stdout.write(printing.as_json({"changed": changed, "left": left}))
        else:
            for difference in changed:
                self.stdout.write(f"{difference.relation}: {difference.kind} is now {difference.wanted}")
            for difference in left:
                self.stdout.write(f"left: {difference}")
            detection = catalog.read_detection(connection)
            self.stdout.write(f"{len(changed)} changed. Edition: {detection.edition}. {detection.means}")
        return not left

    def drift(self, *, json: bool, **_: Any) -> bool:
        found = self._differences()
        if json:
            self.stdout.write(printing.as_json(found))
        elif found:
            rows = [(d.relation, d.kind, d.state, d.wanted, d.actual) for d in found]
            self.stdout.write(printing.table(("RELATION", "WHAT", "STATE", "WANTED", "ACTUAL"), rows))
        else:
            self.stdout.write("The server has what the policy rows say.")
        return not found

    def refresh(self, *, json: bool, view: str | None, start: datetime | None, end: datetime | None, **_: Any) -> bool:
        if (view is None) != (start is None) or (end is not None and start is None):
            raise CommandError("Give VIEW with --from (and --to), or nothing for all that no policy reaches.")
        if view is not None and start is not None:
            windows = {view: Window(start, end or timezone.now())}
            refresh_window(view, windows[view])
        else:
            windows = fill_aggregates(now=timezone.now())
        if json:
            self.stdout.write(printing.as_json(windows))
        else:
            for name, window in windows.items():
                self.stdout.write(
                    f"{name}: refreshed from {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"
                )
            if not windows:
                self.stdout.write("Nothing to refresh: the policies reach all that is missing.")
        return True

    def verify(self, *, json: bool, **_: Any) -> bool:
        checks = verify()
        self.stdout.write(printing.as_json(checks) if json else printing.checks_table(checks))
        return not any(check.ok is False for check in checks)

    def _print_plan(self, plan: Plan, *, json: bool) -> None:
        if json:
            self.stdout.write(printing.as_json(plan))
        elif plan.steps:
            self.stdout.write(f"{printing.plan_table(plan)}\n\n{spell_plan(plan)}")
        else:
            self.stdout.write(spell_plan(plan))

    def _differences(self) -> list[Any]:
        found = services.read_differences(catalog.read_catalog(connection))
        return [difference for differences in found.values() for difference in differences]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a time like 2026-03-10T14:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refusal(error: Exception) -> CommandError:
    """In one line."""
    code = AWAY if isinstance(error, ServerAway) else ATTENTION
    return CommandError(" ".join(str(error).split()), returncode=code)
