"""`manage.py demo`: the whole platform on this machine, and with --exit-after its check. Holds no step of either."""

import json
import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradeul_ops.demo import check
from tradeul_ops.demo.servers import ServerError
from tradeul_ops.demo.stack import OPERATOR, ROOT, Stack


class Command(BaseCommand):
    help = (
        "Starts PostgreSQL, two Valkeys, web, worker, beat and a simulated market, until Ctrl-C. "
        "DATABASE_URL, REDIS_URL or CELERY_BROKER_URL in the environment replace the embedded server of that kind."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="of the web pages (8000); 0: free ports for all")
        parser.add_argument("--directory", type=Path, default=ROOT / ".demo", help="keeps data and passwords (.demo)")
        parser.add_argument("--exit-after", type=float, metavar="SECONDS", help="run headless, check, report, end")
        parser.add_argument("--json", action="store_true", help="with --exit-after: the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        seconds: float | None = options["exit_after"]
        if seconds is not None and seconds < check.SHORTEST_SECONDS:
            raise CommandError(f"--exit-after: the check needs at least {check.SHORTEST_SECONDS:.0f} seconds.")
        # The check has data and ports of its own: it must not depend on what a demo left, nor disturb one.
        directory = options["directory"] / "check" if seconds is not None else options["directory"]
        checking = seconds is not None
        stack = Stack(directory.resolve(), 0 if checking else options["port"], fresh=checking)
        asked_to_stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._interrupt(asked_to_stop))
        try:
            with stack.running():
                if seconds is not None:
                    self._check(stack, seconds, as_json=options["json"])
                else:
                    self._watch(stack, asked_to_stop)
        except ServerError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            stack.say("demo", "stopped")

    def _interrupt(self, asked_to_stop: threading.Event) -> None:
        """The first signal ends the run; while all is being stopped, further ones are ignored."""
        if not asked_to_stop.is_set():
            asked_to_stop.set()
            raise KeyboardInterrupt

    def _watch(self, stack: Stack, asked_to_stop: threading.Event) -> None:
        stack.say("demo", f"open {stack.url}/  user: {OPERATOR}  password: {stack.operator_password}")
        stack.say(
            "demo", f"Ctrl-C stops everything. A shell that looks in: set -a; . {stack.directory / 'env'}; set +a"
        )
        while not asked_to_stop.wait(0.3):
            if (dead := stack.dead_child()) is not None:
                raise ServerError(f"{dead.name} ended with exit code {dead.process.returncode}; the rest was stopped.")

    def _check(self, stack: Stack, seconds: float, *, as_json: bool) -> None:
        report = check.run(stack, seconds=seconds)
        self.stdout.write(json.dumps(report.as_dict(), indent=2) if as_json else report.as_text())
        if not report.passed:
            raise CommandError("The check failed: " + "; ".join(report.failures))
