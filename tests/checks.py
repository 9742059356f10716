"""Checks that need no test runner: migrations are complete, production settings are safe. Ends with 1 if one fails."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "ops.example.com",
    "HTTPS": "true",
    "DEBUG": "false",
}
COMMANDS = (
    ["makemigrations", "--check", "--dry-run"],
    ["check", "--deploy", "--fail-level", "WARNING"],
)


def main() -> int:
    failed = 0
    for words in COMMANDS:
        command = [sys.executable, "-W", "ignore::RuntimeWarning", "manage.py", *words]
        failed += subprocess.run(command, cwd=ROOT, env={**os.environ, **PRODUCTION}, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
