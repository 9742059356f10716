"""Reads what an operator wrote beside a button: times and spans. Refuses in a sentence, and asks no server."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_duration
from django.utils.translation import gettext

from timescale.engine.policies import ZERO


class ActionRefused(ValidationError):
    """It can't or must not be done; the message says why."""


def read_duration(said: dict[str, Any], name: str, *, default: timedelta | None) -> timedelta:
    text = str(said.get(name) or "").strip()
    value = parse_duration(text) if text else default
    if value is None or value <= ZERO:
        raise ActionRefused(
            gettext("{name}: write a time above 0 as days and hours:minutes:seconds, like 3 00:00:00.").format(
                name=name
            )
        )
    return value


def read_moment(said: dict[str, Any], name: str) -> datetime:
    try:
        value = parse_datetime(str(said.get(name) or "").strip())
    except ValueError:
        value = None
    if value is None:
        raise ActionRefused(gettext("{name}: write a moment in UTC, like 2026-03-15 14:30.").format(name=name))
    return value if timezone.is_aware(value) else timezone.make_aware(value, timezone.get_default_timezone())


def write_duration(duration: timedelta) -> str:
    days, rest = divmod(int(duration.total_seconds()), 86_400)
    return f"{days} {rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
