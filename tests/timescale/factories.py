"""Rows with defaults, as plain functions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from timescale.engine.policies import Columnstore, WantedTable, WantedView
from timescale.models import ScanResult

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def scan(time: datetime, symbol: str = "AAPL", session: str = "MARKET_OPEN", **values: Any) -> dict[str, Any]:
    return {"time": time, "symbol": symbol, "session": session, "price": Decimal("187.2500"), **values}


def copy_scans(rows: Iterable[dict[str, Any]]) -> None:
    """As the platform writes: COPY, a row at a time."""
    columns = [field.column for field in ScanResult._meta.concrete_fields if field.column]
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY scan_results ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            values = [row.get(name) for name in columns]
            copy.write_row([Jsonb(value) if isinstance(value, dict) else value for value in values])


def at(hour: int, minute: int = 0, second: int = 0, *, day: int = 10) -> datetime:
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)


def wanted_table(**values: Any) -> WantedTable:
    defaults = {
        "table": "scan_results",
        "time_column": "time",
        "time_is_date": False,
        "chunk_time_interval": HOUR,
        "drop_after": 3 * DAY,
        "schedule_interval": HOUR,
        "columnstore": Columnstore(2 * HOUR, timedelta(minutes=30), "symbol,session", "time DESC"),
        "enabled": True,
    }
    return WantedTable(**{**defaults, **values})


def wanted_view(**values: Any) -> WantedView:
    defaults = {
        "view": "scan_results_1min",
        "source": "scan_results",
        "bucket_width": timedelta(minutes=1),
        "start_offset": HOUR,
        "end_offset": timedelta(seconds=30),
        "schedule_interval": timedelta(seconds=30),
        "drop_after": 30 * DAY,
        "materialized_only": False,
    }
    return WantedView(**{**defaults, **values})


def form_data(form: Any, row: Any) -> dict[str, str]:
    """What a browser sends back for a form that nobody touched."""
    shown = as_text({name: getattr(row, name) for name in form._meta.fields})
    return shown | {f"initial-{name}": value for name, value in shown.items()}


def as_text(values: dict[str, Any]) -> dict[str, str]:
    return {name: "" if value in (None, False) else str(value) for name, value in values.items()}
