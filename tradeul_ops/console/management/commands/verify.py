"""`verify [--json]`: the guide's checks for a shell and for cron. A door; console.verify makes them.

Exit code 0: all hold, or cannot tell. 1: one fails. 2: PostgreSQL does not answer.
"""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from tradeul_ops.console.checks import Report
from tradeul_ops.console.verify import verify

FAILS, AWAY = 1, 2


class Command(BaseCommand):
    help = "The integration guide's five verifications and four problems, as live checks."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one document, for programs")

    def handle(self, *args: Any, json: bool, **options: Any) -> None:
        try:
            report = verify(now=timezone.now())
        except (OperationalError, InterfaceError) as error:
            self.stderr.write(f"PostgreSQL does not answer: {' '.join(str(error).split())}")
            sys.exit(AWAY)
        self.stdout.write(_as_json(report) if json else _as_text(report))
        if report.number("fails"):
            sys.exit(FAILS)


def _as_json(report: Report) -> str:
    counts = {state: report.number(state) for state in ("holds", "fails", "cannot tell")}
    return json.dumps({**asdict(report), "sentence": report.sentence, "states": counts}, default=str, indent=2)


def _as_text(report: Report) -> str:
    lines = []
    for section in report.sections:
        lines += [section.title, ""]
        for check in section.checks:
            lines.append(f"  {check.state.upper():<11} {check.name}: expected {check.expected}; found {check.found}")
            prompt = "$" if check.how == "shell" else "psql>"
            lines += [f"              {prompt} {' '.join(check.command.split())}"]
        lines.append("")
    return "\n".join([*lines, report.sentence])
