"""`manage.py soak`: whether memory stays flat while the whole platform works. A door; tradeul_ops.proof.soak does it.

Exit code 0: flat. 1: something grew beyond its limit, or logged an error. 2: a server could not be had.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradeul_ops.demo.servers import ServerError
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.soak import soak, text

MB = 1e6
GREW, AWAY = 1, 2
# Of an hour of the clock. A run of three minutes sees a growth of one MB as twenty an hour.
LIMITS = {
    "Redis, used_memory": 20 * MB,
    "Redis, resident": 60 * MB,
    "broker": 20 * MB,
    "PostgreSQL": 60 * MB,
    "worker": 100 * MB,
    "beat": 20 * MB,
}


def _hours(words: str) -> float:
    try:
        hours = float(words)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= 1_000:
        raise ArgumentTypeError(f"{words!r} is not a number of hours above 0 and up to 1000")
    return hours


class Command(BaseCommand):
    help = "Runs servers, worker, beat and a fast market of their own, and fails where memory keeps growing."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--hours", type=_hours, default=0.5, help="of market (0.5: three minutes, at speed 10)")
        parser.add_argument("--speed", type=float, default=10.0, help="market time against the clock: 1 to 20 (10)")
        parser.add_argument("--tickers", type=int, default=1_000, help="how many (1000)")
        parser.add_argument("--directory", type=Path, help="for the servers' data (a temporary one)")

    def handle(self, *, hours: float, speed: float, tickers: int, directory: Path | None, **_: Any) -> None:
        if not 1 <= speed <= 20:
            raise CommandError(f"--speed: {speed:g} is not from 1 to 20.")
        try:
            with tempfile.TemporaryDirectory(prefix="soak-", dir=directory) as folder:
                found = soak(
                    hours,
                    Path(folder) / "stack",
                    speed=speed,
                    tickers=tickers,
                    limits=LIMITS,
                    progress=Progress(sys.stderr),
                )
        except ServerError as error:
            raise CommandError(str(error), returncode=AWAY) from error
        self.stdout.write(text(found))
        if not found.flat:
            sys.exit(GREW)
