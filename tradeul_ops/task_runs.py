"""Keeps of each Celery task when it last did its work and when and why it last did not. Judges none, runs none.

One hash in the broker, two fields a task: as bounded as the table of tasks. It expires when nothing runs for 30 days.
Doors turn a server that is away into one warning and end well, so a warning of a task's own logger is its failure.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from tradeul_ops.connections import broker_redis

KEY = "tradeul:tasks:last"
KEPT_SECONDS = 30 * 24 * 3600
LONGEST_TEXT = 500
OURS = ("streams.", "snapshots.", "timescale.", "console.")
DOORS = ("streams.tasks", "snapshots.tasks", "timescale.tasks", "tradeul_ops.console.tasks")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; `why` is empty for one that did its work."""

    at: datetime
    took_ms: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class TaskRuns:
    """None: never, or not within the last 30 days."""

    succeeded: Ended | None = None
    failed: Ended | None = None


class _Current(threading.local):
    """The run of this thread."""

    started: float | None = None
    warned: str = ""


_current = _Current()


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _current.warned = record.getMessage()


_listener = _Listener(level=logging.WARNING)


def listen() -> None:
    """To the doors' warnings; any number of times."""
    for name in DOORS:
        logging.getLogger(name).addHandler(_listener)


def started() -> None:
    _current.started, _current.warned = time.monotonic(), ""


def ended(task: str, *, why: str = "") -> None:
    """Records the run that this thread ends. Raises nothing: the next run records itself again."""
    why = why or _current.warned
    took = None if _current.started is None else round((time.monotonic() - _current.started) * 1000, 1)
    _current.started, _current.warned = None, ""
    if not task.startswith(OURS):
        return
    said = json.dumps({"at": time.time(), "took_ms": took, "why": _one_line(why)})
    try:
        pipe = broker_redis().pipeline()
        pipe.hset(KEY, f"{task} {'failed' if why else 'succeeded'}", said)
        pipe.expire(KEY, KEPT_SECONDS)
        pipe.execute()
    except redis.RedisError as error:
        logger.debug("%s could not say how it ended: %s", task, error)  # liveness warns of that every 2 s


def read_task_runs() -> Mapping[str, TaskRuns]:
    """Task → how it last ended, in one round trip, without what no version of this wrote. Raises redis.RedisError."""
    said: Any = broker_redis().hgetall(KEY)
    found: dict[str, dict[str, Ended]] = {}
    for field, text in said.items():
        task, _, outcome = field.decode(errors="replace").partition(" ")
        if outcome in {"succeeded", "failed"} and (ended := _read(text)) is not None:
            found.setdefault(task, {})[outcome] = ended
    return {task: TaskRuns(**runs) for task, runs in found.items()}


def _read(text: bytes) -> Ended | None:
    try:
        run = json.loads(text)
        took = run["took_ms"]
        return Ended(
            datetime.fromtimestamp(float(run["at"]), tz=UTC), None if took is None else float(took), str(run["why"])
        )
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"
