"""Writes the platform's tables: scans by COPY, volume slots as upserts, the days before the market began."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from django.db import connection

from timescale import ingest
from timescale.models import MarketDataDaily
from tradeul_ops.demo.market import Market
from tradeul_ops.demo.universe import Security

SLOT = timedelta(minutes=5)
SLOTTED = 500  # symbols with a volume slot: the most traded


def copy_scan_results(rows: Iterable[Sequence[Any]]) -> None:
    """As the platform's scanner would. Raises IngestError, and django.db.Error where there is no connection."""
    ingest.copy_rows(_psycopg(), ingest.SCANS, rows)


def _psycopg() -> psycopg.Connection[Any]:
    connection.ensure_connection()
    driver: psycopg.Connection[Any] = connection.connection
    return driver


def upsert_volume_slots(market: Market, *, at: datetime) -> int:
    """What the most traded tickers have reached in the slot that `at` falls into. Raises as copy_scan_results does."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    number = (at - midnight) // SLOT
    slot_time = (midnight + number * SLOT).time()
    slots = []
    for symbol in market.leaders("volume", SLOTTED):
        record = json.loads(market.records[symbol])
        reached = record["volume_today"], record["min"]["n"], Decimal(str(record["day"]["vw"]))
        slots.append((at.date(), symbol, number, slot_time, *reached))
    return ingest.merge_rows(_psycopg(), ingest.VOLUME_SLOTS, slots, replace=True)


def fill_day(securities: Sequence[Security], *, days_before: int, today: date) -> int:
    """market_data_daily of one earlier day, unless it is there; how many rows. Raises django.db.Error.

    The last real day becomes yesterday: the market goes on from its prices. Opening, high and low are unknown.
    """
    trading_date = weekday_before(today, days_before)
    if MarketDataDaily.objects.filter(trading_date=trading_date).exists():
        return 0
    rows = [
        MarketDataDaily(trading_date=trading_date, symbol=security.symbol, close=Decimal(str(close)), volume=volume)
        for security in securities
        if (close := security.closes[-days_before]) is not None
        for volume in [security.volumes[-days_before]]
    ]
    MarketDataDaily.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2_000)
    return len(rows)


def weekday_before(day: date, count: int) -> date:
    """The count-th weekday before `day`."""
    while count:
        day -= timedelta(days=1)
        count -= day.weekday() < 5
    return day
