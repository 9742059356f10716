"""Runs `manage.py streams`, and takes down everything that a command which changes nothing must leave as it was."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command

from streams.models import Enforcement, StreamLimit, TrimRun


def run(*words: str) -> tuple[int, str]:
    """Its exit code, and what it printed."""
    printed = io.StringIO()
    try:
        call_command("streams", *words, stdout=printed)
    except SystemExit as left:
        assert isinstance(left.code, int)
        return left.code, printed.getvalue()
    return 0, printed.getvalue()


def refused(*words: str) -> tuple[CommandError, str]:
    """Why, and what it printed before."""
    printed = io.StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("streams", *words, stdout=printed)
    return raised.value, printed.getvalue()


def state_of(client: redis_library.Redis) -> tuple[Any, ...]:
    lengths = {key: client.xlen(key) for key in client.scan_iter(_type="stream")}
    rows = list(StreamLimit.objects.order_by("pk").values())
    return lengths, client.exists("tradeul:streams:limits"), rows, TrimRun.objects.count(), LogEntry.objects.count()


def enforced_now() -> None:
    """As if a sweep had just ended."""
    Enforcement.objects.update_or_create(id=1, defaults={"ran_at": datetime.now(UTC)})
