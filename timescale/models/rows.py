"""The platform's tables whose size is kept bounded. Only the columns; how long a row lives is a policy (policies.py).

Text and generous numerics from the start: TimescaleDB refuses to change a type once chunks are compressed. No admin:
Django's can't show a composite key, and nobody edits these rows by hand.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models


def amount(digits: int, **options: Any) -> models.DecimalField[Decimal | None, Decimal | None]:
    """A number with four decimal places, or unknown."""
    return models.DecimalField(max_digits=digits, decimal_places=4, null=True, **options)


class ScanResult(models.Model):
    """One symbol in one scan. `volume_today` counts up through the trading day: never sum it."""

    pk = models.CompositePrimaryKey("time", "symbol", "session")
    time = models.DateTimeField()
    symbol = models.TextField()
    session = models.TextField()
    price = amount(14)
    volume = models.BigIntegerField(null=True)
    volume_today = models.BigIntegerField(null=True)
    change_percent = amount(10)
    rvol = amount(12)
    rvol_slot = amount(12)
    price_from_high = amount(10)
    price_from_low = amount(10)
    market_cap = models.BigIntegerField(null=True)
    float_shares = models.BigIntegerField(null=True)
    score = amount(12)
    filters_matched = ArrayField(models.TextField(), null=True)
    metadata = models.JSONField(null=True)

    class Meta:
        db_table = "scan_results"
        indexes = [
            # No NOW() in a predicate: PostgreSQL refuses it, and chunk exclusion does that work.
            models.Index(fields=["session", "-time", "-score"], name="scan_results_session"),
            models.Index(fields=["symbol", "-time"], name="scan_results_symbol"),
            models.Index(fields=["-rvol", "-time"], name="scan_results_rvol", condition=models.Q(rvol__gt=Decimal(2))),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.time:%Y-%m-%d %H:%M:%S} {self.session}"


class VolumeSlot(models.Model):
    """The volume a symbol had reached by the end of a slot of the day."""

    pk = models.CompositePrimaryKey("date", "symbol", "slot_number")
    date = models.DateField()
    symbol = models.TextField()
    slot_number = models.IntegerField()
    slot_time = models.TimeField(null=True)
    volume_accumulated = models.BigIntegerField(null=True)
    trades_count = models.IntegerField(null=True)
    avg_price = amount(14)

    class Meta:
        db_table = "volume_slots"
        indexes = [models.Index(fields=["symbol", "-date"], name="volume_slots_symbol")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.date} slot {self.slot_number}"


class VolumeSlotAverage(models.Model):
    """What a symbol's slot held on average over the days before `date`; the date is what lets old rows be dropped."""

    pk = models.CompositePrimaryKey("date", "symbol", "slot_number")
    date = models.DateField()
    symbol = models.TextField()
    slot_number = models.IntegerField()
    slot_time = models.TimeField(null=True)
    avg_volume_5d = models.BigIntegerField(null=True)
    avg_volume_10d = models.BigIntegerField(null=True)
    avg_volume_20d = models.BigIntegerField(null=True)
    days_count = models.IntegerField(null=True)
    updated_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "volume_slot_averages"
        indexes = [models.Index(fields=["symbol", "-date"], name="volume_slot_averages_symbol")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.date} slot {self.slot_number}"


class MarketDataDaily(models.Model):
    """One symbol's day."""

    pk = models.CompositePrimaryKey("trading_date", "symbol")
    trading_date = models.DateField()
    symbol = models.TextField()
    open = amount(14)
    high = amount(14)
    low = amount(14)
    close = amount(14)
    volume = models.BigIntegerField(null=True)
    vwap = amount(14)
    trades_count = models.IntegerField(null=True)

    class Meta:
        db_table = "market_data_daily"
        indexes = [models.Index(fields=["symbol", "-trading_date"], name="market_data_daily_symbol")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.trading_date}"
