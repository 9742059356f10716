"""The platform's rows through COPY and through Django, with their composite keys."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection, transaction
from psycopg.errors import NumericValueOutOfRange, UniqueViolation

from tests.timescale.factories import at, copy_scans, scan
from timescale.models import MarketDataDaily, ScanResult, VolumeSlotAverage

FULL = scan(
    at(14, 30, 5),
    volume=1_200,
    volume_today=4_100_200,
    change_percent=Decimal("-3.4100"),
    rvol=Decimal("2.5000"),
    rvol_slot=Decimal("3.1000"),
    price_from_high=Decimal("-0.5000"),
    price_from_low=Decimal("1.2500"),
    market_cap=2_900_000_000_000,
    float_shares=15_000_000_000,
    score=Decimal("87.1250"),
    filters_matched=["gap_up", "high_rvol"],
    metadata={"rank": 3},
)


def test_a_scan_written_by_copy_is_read_by_django(database):
    copy_scans([FULL, scan(at(14, 30, 5), "NVDA"), scan(at(14, 30, 15))])
    row = ScanResult.objects.get(pk=(FULL["time"], "AAPL", "MARKET_OPEN"))
    assert {name: getattr(row, name) for name in FULL} == FULL
    assert ScanResult.objects.filter(symbol="NVDA").get().score is None
    assert list(ScanResult.objects.order_by("-time", "symbol").values_list("symbol", flat=True)) == [
        "AAPL",
        "AAPL",
        "NVDA",
    ]


def test_one_key_has_one_row(database):
    copy_scans([scan(at(14))])
    with pytest.raises(UniqueViolation), transaction.atomic():
        copy_scans([scan(at(14))])
    ScanResult.objects.bulk_create(
        [ScanResult(**scan(at(14), price=1)), ScanResult(**scan(at(15)))], ignore_conflicts=True
    )
    assert ScanResult.objects.count() == 2
    assert ScanResult.objects.get(time=at(14)).price == Decimal("187.2500")


def test_saving_a_row_touches_no_other(database):
    """Which is why the key is composite: with the time alone as its key, a save() would overwrite the whole scan."""
    copy_scans([scan(at(14)), scan(at(14), "NVDA")])
    row = ScanResult.objects.get(symbol="NVDA")
    row.price = Decimal("901.0000")
    row.save()
    assert ScanResult.objects.get(symbol="AAPL").price == Decimal("187.2500")


def test_a_number_too_large_for_its_column_is_refused(database):
    with pytest.raises(NumericValueOutOfRange), transaction.atomic():
        copy_scans([scan(at(14), change_percent=Decimal("1000000"))])


def test_dated_rows(database):
    day = at(0).date()
    MarketDataDaily.objects.create(trading_date=day, symbol="AAPL", open=1, high=3, low=1, close=2, volume=5)
    VolumeSlotAverage.objects.create(date=day, symbol="AAPL", slot_number=4, avg_volume_5d=10)
    assert str(MarketDataDaily.objects.get()) == "AAPL 2026-03-10"
    assert str(VolumeSlotAverage.objects.get(pk=(day, "AAPL", 4))) == "AAPL 2026-03-10 slot 4"


def test_the_queries_the_indexes_are_for_use_them(database):
    copy_scans(scan(at(14, n // 60, n % 60), f"S{n}", score=n) for n in range(600))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE scan_results")
        cursor.execute("SET LOCAL enable_seqscan = off")
        for condition, index in [
            ("symbol = 'S7'", "symbol"),
            ("rvol > 2.0", "rvol"),
            ("rvol > 3 AND session = 'x'", "s"),
        ]:
            cursor.execute(f"EXPLAIN SELECT * FROM scan_results WHERE {condition} ORDER BY time DESC LIMIT 5")
            assert f"scan_results_{index}" in "".join(line for (line,) in cursor.fetchall())
