"""Gives a database that takes no writes the error of one that is away: the same doors then wait for it.

A standby after a failover, or `default_transaction_read_only`. Django has it as an InternalError, beside mistakes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import InternalError, OperationalError
from django.db.backends.signals import connection_created

READ_ONLY = "25006"


def sqlstate_of(error: BaseException) -> str | None:
    """As the driver said it. None: there was no answer."""
    said: str | None = getattr(error.__cause__, "sqlstate", None)
    return said


def _as_away(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    try:
        return execute(sql, params, many, context)
    except InternalError as error:
        if sqlstate_of(error) == READ_ONLY:
            raise OperationalError(*error.args) from error.__cause__
        raise


def _watch(*, connection: Any, **_: Any) -> None:
    if _as_away not in connection.execute_wrappers:
        connection.execute_wrappers.append(_as_away)


def watch() -> None:
    """Every connection from now on; any number of times."""
    connection_created.connect(_watch, dispatch_uid="tradeul_ops.databases")
