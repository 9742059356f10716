"""`manage.py screenshots FOLDER`: pictures of each page, of a console that runs or of one of its own."""

import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradeul_ops import env
from tradeul_ops.demo import camera
from tradeul_ops.demo.servers import ServerError
from tradeul_ops.demo.stack import OPERATOR, Stack

LIVED_SECONDS = 90.0  # before the first picture of a stack of its own: gauges and sparklines need something to show


class Command(BaseCommand):
    help = "Takes a picture of each page, light and dark, 1440 and 390 wide. Needs Playwright and a Chromium."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--url", help="of a console that runs; its password is read from SCREENSHOTS_PASSWORD")
        parser.add_argument("--user", default=OPERATOR, help=f"who logs in there ({OPERATOR})")

    def handle(self, *args: Any, folder: Path, url: str | None, user: str, **options: Any) -> None:
        try:
            if url:
                self._take(folder, url=url.rstrip("/"), user=user, password=env.text("SCREENSHOTS_PASSWORD", ""))
                return
            with tempfile.TemporaryDirectory() as directory:
                stack = Stack(Path(directory) / "stack", 0, fresh=True, given={})
                with stack.running():
                    time.sleep(LIVED_SECONDS)
                    self._take(folder, url=stack.url, user=OPERATOR, password=stack.operator_password)
        except (ServerError, camera.NoCamera, ValueError) as error:
            raise CommandError(str(error)) from error

    def _take(self, folder: Path, **where: str) -> None:
        for path in camera.take(folder, **where):
            self.stdout.write(str(path))
