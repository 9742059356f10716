"""The aggregates on each edition against the same figures, worked out here in plain Python."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

import pytest
from django.db import connection

from tests.timescale.factories import at, copy_scans, scan
from timescale.models import ScanHour, ScanMinute

FIELDS = [field.name for field in ScanHour._meta.concrete_fields if field.name != "pk"]


def session_of(time: datetime) -> str:
    return "PRE_MARKET" if time < at(13, 30) else "MARKET_OPEN"


def some_scans() -> list[dict]:
    """Two symbols over the opening, scans 10 to 30 seconds apart, now and then without a price or a volume."""
    chance = random.Random(7)
    rows = []
    for symbol in ("AAPL", "NVDA"):
        time, price, volume = at(12, 58, 3), Decimal("187.2500"), 10_000
        while time < at(15, 2):
            volume += chance.randrange(5_000)
            price += Decimal(chance.randrange(-900, 900)) / 10_000
            known = chance.random() > 0.1
            rows.append(
                scan(
                    time,
                    symbol,
                    session_of(time),
                    price=price if known else None,
                    volume_today=volume if known else None,
                    change_percent=Decimal(chance.randrange(-50_000, 50_000)) / 10_000,
                    rvol=Decimal(chance.randrange(90_000)) / 10_000 if known else None,
                    rvol_slot=None,
                    score=Decimal(chance.randrange(1_000_000)) / 10_000,
                    market_cap=2_900_000_000_000,
                    metadata={"rank": chance.randrange(50)},
                    filters_matched=["gap_up"],
                )
            )
            time += timedelta(seconds=chance.randrange(10, 30))
    return rows


def expected(rows: list[dict], width: timedelta) -> list[dict]:
    def key(row: dict) -> tuple:
        since = row["time"] - datetime(2000, 1, 3, tzinfo=UTC)
        return row["time"] - since % width, row["symbol"], row["session"]

    answer = []
    for (bucket, symbol, session), group in groupby(sorted(rows, key=lambda row: (key(row), row["time"])), key):
        members = list(group)
        values = {
            name: [row[name] for row in members if row.get(name) is not None]
            for name in (
                "price",
                "volume_today",
                "change_percent",
                "rvol",
                "rvol_slot",
                "score",
                "market_cap",
                "float_shares",
            )
        }
        price, rvol, score = values["price"], values["rvol"], values["score"]
        answer.append(
            {
                "bucket": bucket,
                "symbol": symbol,
                "session": session,
                "open_price": price[0] if price else None,
                "high_price": max(price, default=None),
                "low_price": min(price, default=None),
                "close_price": price[-1] if price else None,
                "price_sum": sum(price) if price else None,
                "price_count": len(price),
                "rvol_sum": sum(rvol) if rvol else None,
                "rvol_count": len(rvol),
                "rvol_max": max(rvol, default=None),
                "rvol_slot_sum": None,
                "rvol_slot_count": 0,
                "score_sum": sum(score),
                "score_count": len(score),
                "score_max": max(score),
                "sample_count": len(members),
                **{name: values[name][-1] if values[name] else None for name in ("volume_today", "change_percent")},
                **{name: values[name][-1] if values[name] else None for name in ("market_cap", "float_shares")},
            }
        )
    return answer


def read(model) -> list[dict]:
    return list(model.objects.order_by("bucket", "symbol", "session").values(*FIELDS))


def test_minutes_and_hours_are_exact_on_every_edition(database):
    rows = some_scans()
    copy_scans(rows)
    assert read(ScanMinute) == expected(rows, timedelta(minutes=1))
    hours = expected(rows, timedelta(hours=1))
    assert read(ScanHour) == hours
    assert {hour["session"] for hour in hours} == {"PRE_MARKET", "MARKET_OPEN"}


def test_an_average_is_a_sum_over_a_count(database):
    """An average of the minutes' averages would weigh a minute with one scan like a minute with six."""
    copy_scans([scan(at(14, 0, 1), price=1), scan(at(14, 0, 30), price=2), scan(at(14, 1), price=9, rvol=None)])
    hour = ScanHour.objects.get()
    assert hour.price_avg == 4
    assert hour.rvol_avg is None


def test_traded_volume_is_the_difference_of_the_counter(database):
    """Across the sessions of a day, and from nothing again the next day: what was traded, to the share."""
    copy_scans(
        scan(time, session=session, volume_today=volume)
        for time, session, volume in [
            (at(12, 30), "PRE_MARKET", 100),
            (at(12, 30, 40), "PRE_MARKET", 160),
            (at(13, 29, 59), "PRE_MARKET", 1_000),
            (at(13, 30), "MARKET_OPEN", 5_000),
            (at(19, 59), "MARKET_OPEN", 90_000),
            (at(0, 30, day=11), "POST_MARKET", 91_000),  # half past eight in the evening in New York: the same day
            (at(13, 30, day=11), "MARKET_OPEN", 700),
            (at(13, 31, day=11), "MARKET_OPEN", 650),  # the exchange corrected itself
        ]
    )
    for model in (ScanMinute, ScanHour):
        traded = [row.traded_volume for row in model.objects.with_traded_volume().order_by("bucket", "volume_today")]
        assert sum(traded) == 91_000 + (700 if model is ScanMinute else 650)
        assert min(traded) >= 0
    assert [row.traded_volume for row in ScanMinute.objects.with_traded_volume().order_by("bucket")[:3]] == [
        160,
        840,
        4_000,
    ]


@pytest.mark.community
def test_a_refresh_gives_the_same_and_outlives_the_scans(own_community):
    """Materialized, the figures stay when the scans behind them are dropped: the reason for having aggregates."""
    rows = some_scans()
    copy_scans(rows)
    with connection.cursor() as cursor:
        for view in ("scan_results_1min", "scan_results_1hour"):
            cursor.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)")
            cursor.execute(f"ALTER MATERIALIZED VIEW {view} SET (timescaledb.materialized_only = true)")
        cursor.execute("SELECT drop_chunks('scan_results', older_than => '2026-03-11 00:00Z'::timestamptz)")
        cursor.execute("SELECT count(*) FROM scan_results")
        assert cursor.fetchone() == (0,)
    assert read(ScanMinute) == expected(rows, timedelta(minutes=1))
    assert read(ScanHour) == expected(rows, timedelta(hours=1))
