"""`streams list|plan|trim|export|import`: the stream pages for a shell and for cron. A door; the work is in services.

Exit code 0: as it should be. 1: something needs attention, was refused, or could not be trimmed. 2: a server is away.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from streams.engine.definitions import DefinitionErrors, read_definitions
from streams.engine.loss import ANY_LOSS
from streams.engine.outlook import Outlook
from streams.management import printing
from streams.metrics import streams_summary
from streams.services import LossRefused
from streams.services.definitions import LimitsMoved, compare_definitions, export_limits, import_definitions
from streams.services.on_demand import TrimReport, UnknownStreams, limited_streams, plan_limits, trim_stream
from streams.store import StoreError, StreamError

ATTENTION, AWAY = 1, 2
STANDARD = "-"


class Command(BaseCommand):
    help = "Streams and their limits: how they stand, what a trim would do, trim now, and limits to and from a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="what", required=True)
        add = parts.add_parser("list", help="How every stream stands; exit code 1 unless each is within a limit.")
        _json(add)
        add = parts.add_parser("plan", help="What an enforcement now would do. Changes nothing.")
        add.add_argument("streams", nargs="*", metavar="STREAM", help="only these")
        _json(add)
        add = parts.add_parser("trim", help="Enforce limits now; exit code 1 if something could not be trimmed.")
        which = add.add_mutually_exclusive_group(required=True)
        which.add_argument("streams", nargs="*", default=[], metavar="STREAM")
        which.add_argument("--all", action="store_true", help="every stream whose limit is switched on")
        add.add_argument("--dry-run", action="store_true", help="the same as plan")
        _json(add)
        add = parts.add_parser("export", help="All limits as one JSON document.")
        add.add_argument("file", nargs="?", default=STANDARD, metavar="FILE", help="standard output without it")
        add = parts.add_parser("import", help="Create and update limits from such a document: all of it or nothing.")
        add.add_argument("file", metavar="FILE", help="- is standard input")
        add.add_argument("--user", metavar="NAME", help="the account that the audit names")
        add.add_argument("--prune", action="store_true", help="also delete limits that the document does not name")
        add.add_argument("--accept-loss", action="store_true", help="also where groups lose what they have not read")
        add.add_argument("--dry-run", action="store_true", help="only show the differences")

    def handle(self, *, what: str, **options: Any) -> None:
        doors: dict[str, Callable[..., bool]] = {
            "list": self.list_streams,
            "plan": self.plan_trims,
            "trim": self.trim_streams,
            "export": self.export_file,
            "import": self.import_file,
        }
        try:
            within = doors[what](**options)
        except (StoreError, OperationalError, InterfaceError) as error:
            raise CommandError(_one_line(error), returncode=AWAY) from error
        except (UnknownStreams, LimitsMoved) as error:
            raise CommandError(_one_line(error)) from error
        except DefinitionErrors as error:
            lines = ["Nothing was imported.", *(printing.printable(str(one)) for one in error.errors)]
            if isinstance(error.__cause__, LossRefused):
                lines.append("With --accept-loss it is imported all the same.")
            raise CommandError("\n".join(lines)) from error
        if not within:
            sys.exit(ATTENTION)

    def list_streams(self, *, json: bool, **_: Any) -> bool:
        summary = streams_summary(now=timezone.now())
        if json:
            streams = [printing.row_fields(row) for row in summary.rows]
            said = {"read_at": summary.read_at, "streams": streams, "unmanaged": summary.unmanaged}
            said |= {"nameless": asdict(summary.nameless)}
            self.stdout.write(printing.as_json(said))
        else:
            self.stdout.write(printing.table(summary.rows) if summary.rows else "No stream has a limit.")
            if summary.unmanaged:
                self._say(printing.unmanaged_sentence(summary.unmanaged))
            if summary.nameless:
                self._say(printing.nameless_sentence(summary.nameless))
        return not (summary.unmanaged or summary.nameless) and all(row.condition == "within" for row in summary.rows)

    def plan_trims(self, *, streams: Sequence[str], json: bool, **_: Any) -> bool:
        return self._print_plan(plan_limits(named=limited_streams(named=streams, switched_off=True)), json=json)

    def trim_streams(self, *, streams: Sequence[str], dry_run: bool, json: bool, **_: Any) -> bool:
        named = limited_streams(named=streams)
        if dry_run:
            return self._print_plan(plan_limits(named=named), json=json)
        reports: list[TrimReport] = []
        try:
            for stream in named:
                reports.append(trim_stream(stream, now=timezone.now()))
                if not json:
                    self._say(f"{stream}: {reports[-1].why}")
        finally:  # what was trimmed before a server went away was trimmed
            if json:
                self.stdout.write(printing.as_json([printing.report_fields(report) for report in reports]))
        return all(report.settled for report in reports)

    def export_file(self, *, file: str, **_: Any) -> bool:
        document = export_limits(now=timezone.now())
        if file == STANDARD:
            self.stdout.write(document, ending="")
            return True
        try:
            Path(file).write_text(document, encoding="utf-8")
        except OSError as error:
            raise CommandError(str(error)) from error
        return True

    def import_file(
        self, *, file: str, user: str | None, prune: bool, accept_loss: bool, dry_run: bool, **_: Any
    ) -> bool:
        try:
            document = sys.stdin.buffer.read() if file == STANDARD else Path(file).read_bytes()
        except OSError as error:
            raise CommandError(str(error)) from error
        wanted = read_definitions(document)
        user_id = None if dry_run else _user_id(user)
        differences = compare_definitions(wanted, prune=prune)
        for difference in differences:
            self._say(printing.difference_sentence(difference))
        if user_id is not None:
            import_definitions(
                wanted,
                shown=differences,
                prune=prune,
                user_id=user_id,
                now=timezone.now(),
                accepted_loss=ANY_LOSS if accept_loss else 0,
            )
        limits = "1 limit" if len(differences) == 1 else f"{len(differences):,} limits"
        self._say(f"{limits} {'would change' if dry_run else 'changed'}." if differences else "Nothing differs.")
        return True

    def _print_plan(self, outlooks: Mapping[str, Outlook | StreamError], *, json: bool) -> bool:
        if json:
            self.stdout.write(printing.as_json([printing.outlook_fields(*one) for one in outlooks.items()]))
        else:
            for stream, outlook in outlooks.items():
                self._say(f"{stream}: {printing.outlook_sentence(outlook)}")
        return not any(isinstance(outlook, StreamError) for outlook in outlooks.values())

    def _say(self, line: str) -> None:
        self.stdout.write(printing.printable(line))


def _json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines; durations in seconds")


def _one_line(error: Exception) -> str:
    return printing.printable(" ".join(str(error).split()))


def _user_id(name: str | None) -> int:
    if not name:
        raise CommandError("--user NAME is required: the audit says who changed a limit.")
    user_id: int | None = get_user_model().objects.filter(username=name).values_list("pk", flat=True).first()
    if user_id is None:
        raise CommandError(f"No account has this name: {name}.")
    return user_id
