"""What a line of a log looks like, in words or as JSON, and which request or task it belongs to. Sends nothing."""

from __future__ import annotations

import json
import logging
import re
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

FORMATS = ("console", "json")
HEADER = "X-Request-ID"
# What a proxy or a caller may choose: it stands in our lines, so it can't break them or be long.
WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}", re.ASCII)

# The id of the request that is answered, or of the task that runs, in this thread.
current_id: ContextVar[str] = ContextVar("current_id", default="")


def id_from(said: str | None) -> str:
    """What the caller said, if that can be an id; else a new one."""
    return said if said and WELL_FORMED.fullmatch(said) else uuid.uuid4().hex


class Console(logging.Formatter):
    """`2026-03-09 14:30:00,123 WARNING streams.tasks [id]: message`; an exception follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        record.id_ = f" [{said}]" if (said := current_id.get()) else ""
        return super().format(record)

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}{id_}: {message}", style="{")


class Json(logging.Formatter):
    """An object a line: at, level, logger, message, and where there is one id, exception and status."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if found := current_id.get():
            said["id"] = found
        if isinstance(status := getattr(record, "status_code", None), int):
            said["status"] = status
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said)  # ASCII: half of a surrogate pair can be said, and no line break comes through


def config(*, format: str, level: str) -> dict[str, Any]:
    """Django's LOGGING: everything on standard error."""
    formatter = {"console": Console, "json": Json}[format]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "gunicorn.error": {"handlers": [], "propagate": True},  # in a worker; its parent writes as gunicorn does
            "axes": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},  # a line a task sent, and one a task received, would be all one reads
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
        },
    }
