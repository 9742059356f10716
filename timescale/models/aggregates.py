"""The aggregates of scan_results as models to read. Their views are made by migration 0003; nothing here is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import F, Window
from django.db.models.functions import Coalesce, Greatest, Lag, TruncDate

from timescale.models.rows import amount

EXCHANGE = ZoneInfo("America/New_York")  # where volume_today starts again at 0


class BucketQuerySet(models.QuerySet[Any]):
    def with_traded_volume(self) -> BucketQuerySet:
        """Each row with `traded_volume`: what was traded since the symbol's row before it, on the same trading day.

        The counter of a bucket minus the one before it. Summing the counter, or taking max − min inside a bucket, gives
        numbers that nobody traded. A day's first row stands for all that went before: ask for whole trading days.
        A bucket in which the counter was corrected downwards counts as 0.
        """
        before = Window(
            Lag("volume_today"),
            partition_by=[F("symbol"), TruncDate("bucket", tzinfo=EXCHANGE)],
            order_by=[F("bucket").asc(), F("volume_today").asc()],
        )
        traded: BucketQuerySet = self.annotate(traded_volume=Greatest(F("volume_today") - Coalesce(before, 0), 0))
        return traded


class ScanBucket(models.Model):
    """Averages are kept as sums and counts, so that wider buckets and other spans average exactly."""

    pk = models.CompositePrimaryKey("bucket", "symbol", "session")
    bucket = models.DateTimeField()
    symbol = models.TextField()
    session = models.TextField()
    open_price = amount(14)
    high_price = amount(14)
    low_price = amount(14)
    close_price = amount(14)
    price_sum = amount(24)
    price_count = models.BigIntegerField()
    volume_today = models.BigIntegerField(null=True)
    change_percent = amount(10)
    rvol_sum = amount(24)
    rvol_count = models.BigIntegerField()
    rvol_max = amount(12)
    rvol_slot_sum = amount(24)
    rvol_slot_count = models.BigIntegerField()
    score_sum = amount(24)
    score_count = models.BigIntegerField()
    score_max = amount(12)
    market_cap = models.BigIntegerField(null=True)
    float_shares = models.BigIntegerField(null=True)
    sample_count = models.BigIntegerField()

    objects = BucketQuerySet.as_manager()

    class Meta:
        abstract = True
        managed = False

    def __str__(self) -> str:
        return f"{self.symbol} {self.bucket:%Y-%m-%d %H:%M} {self.session}"

    @property
    def price_avg(self) -> Decimal | None:
        return _mean(self.price_sum, self.price_count)

    @property
    def rvol_avg(self) -> Decimal | None:
        return _mean(self.rvol_sum, self.rvol_count)

    @property
    def rvol_slot_avg(self) -> Decimal | None:
        return _mean(self.rvol_slot_sum, self.rvol_slot_count)

    @property
    def score_avg(self) -> Decimal | None:
        return _mean(self.score_sum, self.score_count)


class ScanMinute(ScanBucket):
    class Meta(ScanBucket.Meta):
        abstract = False
        db_table = "scan_results_1min"


class ScanHour(ScanBucket):
    """Made of the minutes, so that it can be refreshed after the scans themselves were dropped."""

    class Meta(ScanBucket.Meta):
        abstract = False
        db_table = "scan_results_1hour"


def _mean(total: Decimal | None, count: int) -> Decimal | None:
    return total / count if total is not None and count else None
