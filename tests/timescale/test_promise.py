"""What the console promises, end to end on a Community server: six days of scans, every job run once.

Jobs are run in the foreground (`CALL run_job`), as the test servers have no background workers.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Max, Sum
from django.utils import timezone

from tests.timescale.factories import DAY, HOUR
from tests.timescale.standing import ask
from timescale.models import ScanMinute
from timescale.models.aggregates import EXCHANGE
from timescale.services.adoption import upgrade
from timescale.services.verify import verify
from timescale.store import shapes

# Ten symbols scanned every 10 s, for one hour in six: few chunks, but as full as a compressed one wants to be.
LOAD = """
INSERT INTO scan_results (time, symbol, session, price, volume, volume_today, change_percent, rvol, rvol_slot, score,
                          market_cap, float_shares, filters_matched, metadata)
SELECT t, 'S' || s, CASE WHEN extract(hour FROM t) < 14 THEN 'PRE_MARKET' ELSE 'MARKET_OPEN' END,
       round((100 + s + 5 * sin(extract(epoch FROM t) / 900 + s))::numeric, 2), 100 + s,
       extract(epoch FROM t AT TIME ZONE 'America/New_York' - date_trunc('day', t AT TIME ZONE 'America/New_York')) * s,
       round((5 * sin(extract(epoch FROM t) / 900))::numeric, 2), nullif(s, 3) * 1.25, 1.5, (s * 7) %% 100,
       1000000000::bigint * s, 50000000, ARRAY['rvol', 'gap'],
       jsonb_build_object('rank', s, 'exchange', 'NASDAQ', 'sector', 'Technology', 'source', 'scanner-1',
                          'bid', 100 + s, 'ask', 101 + s, 'bid_size', s * 100, 'ask_size', s * 200, 'atr', 2.25,
                          'halted', false, 'industry', 'Semiconductors', 'country', 'United States', 'list', 'momentum')
FROM generate_series(%s::timestamptz, %s::timestamptz, interval '10 s') AS t, generate_series(1, 10) AS s
WHERE (extract(epoch FROM t)::bigint / 3600) %% 6 = 0 OR t > %s::timestamptz - interval '5 hours'
"""
# Nothing of TimescaleDB, straight from a copy of the raw rows.
INDEPENDENT = """
SELECT date_bin('{width}', time, timestamptz '2000-01-03 00:00+00') AS bucket, symbol, session,
       (array_agg(price ORDER BY time))[1], max(price), min(price), (array_agg(price ORDER BY time DESC))[1],
       sum(price), count(price), max(volume_today), (array_agg(change_percent ORDER BY time DESC))[1],
       sum(rvol), count(rvol), max(rvol), sum(rvol_slot), count(rvol_slot), sum(score), count(score), max(score),
       max(market_cap), max(float_shares), count(*)
FROM raw_rows GROUP BY 1, 2, 3
"""


@pytest.mark.community
def test_six_days_of_scans_become_small_and_keep_their_history(own_community):
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(LOAD, [now - 6 * DAY, now, now])
    ask("CREATE TABLE raw_rows AS SELECT * FROM scan_results")
    upgrade(now=now)
    jobs = ask(
        "SELECT job_id, proc_name FROM timescaledb_information.jobs WHERE hypertable_name IS NOT NULL "
        "ORDER BY proc_name = 'policy_retention', job_id"
    )
    assert len(jobs) == 10
    for job_id, _ in jobs:
        ask(f"CALL run_job({job_id})")

    _chunks_older_than_two_hours_are_compressed(now)
    [(oldest,)] = ask("SELECT min(time) FROM scan_results")
    assert 3 * DAY - 6 * HOUR <= now - oldest <= 3 * DAY + HOUR, "rows older than 3 days, and their chunk, are gone"
    _aggregates_hold_all_six_days()
    _traded_volume_is_what_was_traded()
    failed = [check for check in verify() if check.ok is False]
    assert failed == []


def _chunks_older_than_two_hours_are_compressed(now):
    chunks = shapes.read_chunks(connection, "scan_results")
    due = [chunk for chunk in chunks if chunk.end < now - 2 * HOUR]
    assert len(due) >= 12
    assert all(chunk.compressed for chunk in due)
    assert not any(chunk.compressed for chunk in chunks if chunk.end > now - HOUR)
    inside = max(chunk.end for chunk in chunks if chunk.compressed)
    [(rows,)] = ask(f"SELECT count(*) FROM scan_results WHERE time < '{inside}'")
    assert sum(chunk.compressed_rows for chunk in chunks) == rows
    [(before, after)] = ask(
        "SELECT before_compression_total_bytes, after_compression_total_bytes "
        "FROM hypertable_columnstore_stats('scan_results')"
    )
    assert 1 - after / before >= 0.9, (before, after)


def _aggregates_hold_all_six_days():
    """Row for row, number for number; what is materialized, without what a query would add from the raw rows."""
    for view, width in (("scan_results_1min", "1 min"), ("scan_results_1hour", "1 hour")):
        independent = INDEPENDENT.format(width=width)
        [(first, last, held)] = ask(f"SELECT min(bucket), max(bucket), count(*) FROM {view}")
        assert last - first > 6 * DAY - 7 * HOUR
        assert ask(f"SELECT count(*) FROM ({independent}) AS i") == [(held,)]
        assert ask(f"(SELECT * FROM {view} EXCEPT {independent}) LIMIT 3") == []
        ask(f"ALTER MATERIALIZED VIEW {view} SET (timescaledb.materialized_only = true)")
        [(reach,)] = ask(f"SELECT max(bucket) FROM {view}")
        assert last - reach <= timedelta(hours=2)
        assert ask(f"(SELECT * FROM ({independent}) AS i WHERE bucket < '{reach}' EXCEPT SELECT * FROM {view})") == []
        ask(f"ALTER MATERIALIZED VIEW {view} SET (timescaledb.materialized_only = false)")


def _traded_volume_is_what_was_traded():
    """By day and symbol it adds up to where the counter ended: the sum of the counter is a thousand times that."""
    rows = ScanMinute.objects.filter(symbol="S7").with_traded_volume().values_list("bucket", "traded_volume")
    traded: dict[object, int] = {}
    for bucket, volume in rows:
        day = bucket.astimezone(EXCHANGE).date()
        traded[day] = traded.get(day, 0) + volume
    ended = ScanMinute.objects.filter(symbol="S7").aggregate(last=Max("volume_today"), sum=Sum("volume_today"))
    assert max(traded.values()) == ended["last"]
    assert len(traded) >= 6
    assert ended["sum"] > 100 * sum(traded.values())
