"""Reads typed settings from the environment. Refuses a value it can't read, with one line that names the variable."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

REDIS_SCHEMES = ("redis", "rediss", "redis+cluster", "rediss+cluster")
POSTGRES_SCHEMES = ("postgres", "postgresql", "pgsql")

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def check_settings(*needed: str, exit_code: int = 1) -> None:
    """Ends the program with one line where a setting can't be read, or one of `needed` is empty."""
    from django.conf import settings

    try:
        for name in ("INSTALLED_APPS", *needed):
            getattr(settings, name)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"tradeul_ops: {error}\n")
        raise SystemExit(exit_code) from None


def read_file(path: Path) -> None:
    """Reads a `.env` file, if there is one. What the environment already says wins."""
    if path.is_file():
        environ.Env.read_env(path)


def text(name: str, default: str) -> str:
    """As it stands: django-environ would take a leading $, which keys may well have, for another variable's name."""
    return os.environ.get(name, default)


def one_of(name: str, choices: tuple[str, ...], default: str) -> str:
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name}: {value!r} is none of {', '.join(choices)}.")
    return value


def boolean(name: str, default: bool) -> bool:
    value = text(name, str(default)).strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name}: {value!r} is neither true nor false.")


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    raw = text(name, str(default))
    try:
        value = int(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {raw!r} is not a whole number.") from error
    if value < minimum:
        raise ImproperlyConfigured(f"{name}: {value} is below {minimum}.")
    return value


def words(name: str, default: tuple[str, ...]) -> list[str]:
    """A comma-separated list; an empty variable is an empty list."""
    return [word.strip() for word in text(name, ",".join(default)).split(",") if word.strip()]


def origins(name: str, default: tuple[str, ...]) -> list[str]:
    """Origins as a browser sends them: scheme, host, port if it is not the scheme's own, and nothing after it."""
    found = words(name, default)
    for origin in found:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?", origin):
            raise ImproperlyConfigured(f"{name}: {origin!r} is no origin; write https://host or https://host:port.")
    return found


def hashes(name: str) -> dict[str, str]:
    """`name:hash,name:hash` as name → SHA-256 in hex. What can't be read is not repeated: it may be a token itself."""
    found: dict[str, str] = {}
    for number, word in enumerate(words(name, ()), 1):
        called, _, hashed = word.partition(":")
        if not re.fullmatch(r"[\w.-]{1,64}", called, re.ASCII) or not re.fullmatch(r"[0-9a-f]{64}", hashed):
            raise ImproperlyConfigured(f"{name}: entry {number} is no name:hash as `manage.py token new` prints them.")
        if called in found:
            raise ImproperlyConfigured(f"{name}: {called} is there twice; give the new one a name of its own.")
        found[called] = hashed
    return found


def database(name: str, default: str) -> dict[str, Any]:
    """A PostgreSQL URL as Django's DATABASES entry."""
    raw = text(name, default)
    _check_url(name, raw, POSTGRES_SCHEMES)
    if not urlsplit(raw).path.strip("/"):
        raise ImproperlyConfigured(f"{name}: {_safe(raw)} names no database; write …/name at its end.")
    return dict(environ.Env.db_url_config(raw))


def redis_url(name: str, default: str, *, cluster: bool = True) -> str:
    """A Redis or Valkey URL: redis://, rediss:// (TLS), or, where `cluster` may be, either with +cluster."""
    raw = text(name, default)
    _check_url(name, raw, REDIS_SCHEMES if cluster else REDIS_SCHEMES[:2])
    parts = urlsplit(raw)
    if not re.fullmatch(r"/?\d*", parts.path):
        raise ImproperlyConfigured(f"{name}: {parts.path!r} is no database number; write …/0 at its end.")
    if parts.query:
        raise ImproperlyConfigured(f"{name}: options after ? are not taken; the console sets its own time-outs.")
    return raw


def _check_url(name: str, raw: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError as error:  # whose text may repeat a part of the password
        raise ImproperlyConfigured(
            f"{name}: host and port can't be told apart. A port is a number up to 65535, and a password's "
            "special characters must be percent-encoded."
        ) from error
    if parts.scheme not in schemes:
        raise ImproperlyConfigured(
            f"{name}: {_safe(raw)} must start with one of {', '.join(s + '://' for s in schemes)}."
        )
    if not parts.hostname:
        raise ImproperlyConfigured(f"{name}: {_safe(raw)} names no host.")
    if port == 0:
        raise ImproperlyConfigured(f"{name}: port 0 can't be connected to.")


def _safe(raw: str) -> str:
    """The URL without its password: an error message ends up in logs."""
    before, at, after = raw.rpartition("@")
    return f"…@{after!r}" if at and before else repr(raw)
