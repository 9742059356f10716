"""Makes a token for a machine, or the hash of one that is there. Keeps neither: TOKENS in the environment does."""

from __future__ import annotations

import re
import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradeul_ops.access import hash_of

BYTES = 32


class Command(BaseCommand):
    help = "Makes a bearer token for a machine that reads metrics and snapshots."
    requires_system_checks = []  # it needs no server

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        new = verbs.add_parser("new", help="print a new token, this once, and the entry for TOKENS")
        new.add_argument("name", help="whose it is: prometheus, frontend, …; letters, digits, dot, dash, underscore")
        hashed = verbs.add_parser("hash", help="read a token from standard input, print the entry for TOKENS")
        hashed.add_argument("name")

    def handle(self, *args: Any, verb: str, name: str, **options: Any) -> None:
        if not re.fullmatch(r"[\w.-]{1,64}", name, re.ASCII):
            raise CommandError(f"{name!r} is no name: letters, digits, dot, dash and underscore, 64 at most.")
        if verb == "hash":
            token = sys.stdin.readline().strip()
            if not token:
                raise CommandError("there is no token on standard input.")
            self.stdout.write(f"{name}:{hash_of(token)}")
            return
        token = secrets.token_urlsafe(BYTES)
        self.stdout.write(f"token, shown this once:   {token}")
        self.stdout.write(f"entry for TOKENS:         {name}:{hash_of(token)}")
        self.stdout.write("TOKENS is a list, separated by commas. To take a token back, remove its entry; restart web.")
