#!/usr/bin/env python3
"""Runs the project's commands. A wrong setting ends in one line that names the variable, not in a traceback."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeul_ops.settings")
    from django.core.management import execute_from_command_line

    from tradeul_ops.env import check_settings

    check_settings()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
