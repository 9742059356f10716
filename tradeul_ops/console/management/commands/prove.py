"""`manage.py prove`: the integration guide's promises, measured before and after. A door; tradeul_ops.proof does it.

Exit code 0: every promise that this project makes was kept, or peers were compared, of whom nothing was promised.
1: a promise was missed. 2: a server could not be had.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradeul_ops.demo.servers import ServerError
from tradeul_ops.proof import report
from tradeul_ops.proof.comparison import Comparison
from tradeul_ops.proof.page import comparison_page, page
from tradeul_ops.proof.peers import compare
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.run import Proof, prove
from tradeul_ops.proof.scale import SCALES
from tradeul_ops.proof.servers import GIVEN
from tradeul_ops.proof.table import kept, rows_of

MISSED, AWAY = 1, 2


class Command(BaseCommand):
    help = (
        "Runs the same generated market twice, side by side: as the integration guide found the platform, and with "
        "this project; on servers of their own. Ends with the guide's table: promised, before, after."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--scale",
            choices=SCALES,
            default="small",
            help="small: one to three minutes; full: the guide's sizes, 25 GB of disk",
        )
        parser.add_argument("--directory", type=Path, help="for the servers' data (a temporary one)")
        parser.add_argument(
            "--peers", action="store_true", help="instead: this project next to others' ways, on the same servers"
        )
        parser.add_argument("--json", action="store_true", help="one document, for programs")
        parser.add_argument("--html", type=Path, metavar="FILE", help="also a report with charts")
        for name, what in GIVEN.items():
            option = f"--{name.lower().replace('_', '-')}"
            parser.add_argument(option, metavar="URL", dest=name, help=f"{what}, instead of an embedded server")

    def handle(self, *, scale: str, directory: Path | None, peers: bool, html: Path | None, **options: Any) -> None:
        if html is not None and not html.parent.is_dir():
            raise CommandError(f"--html: there is no folder {html.parent}.")
        given = {name: options[name] for name in GIVEN if options[name]}
        try:
            with tempfile.TemporaryDirectory(prefix="prove-", dir=directory) as folder:
                how: dict[str, Any] = {"given": given, "progress": Progress(sys.stderr)}
                where = SCALES[scale], Path(folder)
                found = compare(*where, **how) if peers else prove(*where, **how)
        except ServerError as error:
            raise CommandError(str(error), returncode=AWAY) from error
        if isinstance(found, Comparison):
            self._tell_peers(found, html=html, as_json=options["json"])
        else:
            self._tell(found, html=html, as_json=options["json"])

    def _tell_peers(self, found: Comparison, *, html: Path | None, as_json: bool) -> None:
        if html is not None:
            html.write_text(comparison_page(found))
        self.stdout.write(report.comparison_document(found) if as_json else report.comparison_text(found))

    def _tell(self, proof: Proof, *, html: Path | None, as_json: bool) -> None:
        rows = rows_of(proof)
        if html is not None:
            html.write_text(page(proof, rows))
        self.stdout.write(report.document(proof, rows) if as_json else report.text(proof, rows))
        if not kept(rows):
            sys.exit(MISSED)
