"""The extension where the server offers it, hypertables, columnstore, storage parameters and indexes. No job: see 0004.

An hour of scans is a chunk, so that "compress after 2 hours" and "drop after 3 days" can act on it: with the default of
seven days nothing is compressed for a week and up to ten days are kept. A date column's smallest chunk is a day.
"""

from datetime import timedelta
from decimal import Decimal

from django.db import migrations, models

from timescale.operations import (
    AddHypertableIndex,
    CreateExtension,
    CreateHypertable,
    EnableColumnstore,
    RewriteWideChunks,
    SetStorageParameters,
)

# The share of dead, changed or new rows at which autovacuum comes; the default is a fifth, of a table that never ends.
AUTOVACUUM = {
    "autovacuum_vacuum_scale_factor": 0.05,
    "autovacuum_analyze_scale_factor": 0.02,
    "autovacuum_vacuum_insert_scale_factor": 0.05,
}


class Migration(migrations.Migration):
    dependencies = [("timescale", "0001_initial")]

    operations = [
        CreateExtension(),
        CreateHypertable("scan_results", "time", timedelta(hours=1)),
        CreateHypertable("volume_slots", "date", timedelta(days=1)),
        CreateHypertable("volume_slot_averages", "date", timedelta(days=7)),
        CreateHypertable("market_data_daily", "trading_date", timedelta(days=7)),
        RewriteWideChunks("scan_results", "time", timedelta(hours=1)),
        RewriteWideChunks("volume_slots", "date", timedelta(days=1)),
        RewriteWideChunks("volume_slot_averages", "date", timedelta(days=7)),
        RewriteWideChunks("market_data_daily", "trading_date", timedelta(days=7)),
        EnableColumnstore("scan_results", segmentby="symbol,session", orderby="time DESC"),
        EnableColumnstore("volume_slots", segmentby="symbol", orderby="date DESC, slot_number DESC"),
        SetStorageParameters("scan_results", AUTOVACUUM),
        SetStorageParameters("volume_slots", AUTOVACUUM),
        AddHypertableIndex(
            "MarketDataDaily", models.Index(fields=["symbol", "-trading_date"], name="market_data_daily_symbol")
        ),
        AddHypertableIndex(
            "ScanResult", models.Index(fields=["session", "-time", "-score"], name="scan_results_session")
        ),
        AddHypertableIndex("ScanResult", models.Index(fields=["symbol", "-time"], name="scan_results_symbol")),
        AddHypertableIndex(
            "ScanResult",
            models.Index(
                condition=models.Q(("rvol__gt", Decimal("2"))), fields=["-rvol", "-time"], name="scan_results_rvol"
            ),
        ),
        AddHypertableIndex("VolumeSlot", models.Index(fields=["symbol", "-date"], name="volume_slots_symbol")),
        AddHypertableIndex(
            "VolumeSlotAverage", models.Index(fields=["symbol", "-date"], name="volume_slot_averages_symbol")
        ),
    ]
