"""Scans of the days before the market began, made by the server itself: the same rows for both sides.

They are as compression sees real ones: prices that walk and often stand, volumes that count up, metadata of 15 keys,
three sessions a day; with the guide's indexes about 790 bytes a row, where its 10 GB of 12.5 million rows are 837.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg

from tradeul_ops.proof.scale import MINUTE, Scale

BATCH = 360  # scans of every symbol: six hours

# OFFSET 0 keeps a subquery's columns from being computed anew at each place that names them.
# `step` counts scans; a price moves in two steps of five, and hashes stand in for chance: the same on every server.
FILL = """
INSERT INTO scan_results (time, symbol, session, price, volume, volume_today, change_percent, rvol, rvol_slot,
    price_from_high, price_from_low, market_cap, float_shares, score, filters_matched, metadata)
SELECT at, 'SYM' || lpad(s::text, 4, '0'),
    (ARRAY['PRE_MARKET', 'MARKET_OPEN', 'POST_MARKET'])[1 + extract(hour FROM at AT TIME ZONE 'UTC')::int / 8],
    price, today / (1 + step %% 1440), today, round(100 * (price / base - 1), 4), rvol, round(rvol * 1.1, 4),
    round(100 * (price / (base * 1.03) - 1), 4), round(100 * (price / (base * 0.97) - 1), 4),
    1000000000 + s * 7919000::bigint, 10000000 + s * 104729::bigint, least(100, rvol * 10), ARRAY['rvol', 'gap'],
    format('{"rank": %%s, "exchange": "NASDAQ", "sector": "Technology", "bid": %%s, "ask": %%s, "bid_size": %%s, '
        '"ask_size": %%s, "vwap": %%s, "atr": %%s, "trades": %%s, "open": %%s, "high": %%s, "low": %%s, '
        '"halted": false, "source": "scanner-1"}', s, price - 0.01, price + 0.01, s %% 9 * 100, s %% 7 * 100,
        price + 0.0007, base * 0.06, today / 120, base, base * 1.03, base * 0.97)::jsonb
FROM (
    SELECT at, s, step, base, today, round(today / (100000.0 + s * 977), 4) AS rvol,
        round((base * (1 + 0.02 * sin(moved / 97.0 + s) + 0.0004 * (hashint8(moved * 512 + s) %% 10)))::numeric, 2)
            AS price
    FROM (
        SELECT at, s, step, step - step %% 5 / 3 AS moved, (5 + s * 37 %% 400)::numeric AS base,
            (step %% 1440) * (1000 + s * 7)::bigint + abs(hashint8(step * 512 + s)) %% 5000 AS today
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS step,
            LATERAL (SELECT %(end)s::timestamptz - (%(steps)s::bigint - step) * interval '1 minute' AS at) AS moment,
            generate_series(1, %(symbols)s) AS s
        OFFSET 0
    ) AS walk
    OFFSET 0
) AS scans
"""


def fill(
    connection: psycopg.Connection[Any],
    *,
    scale: Scale,
    end: datetime,
    told: Callable[[int], None] = lambda rows: None,
    stop: threading.Event | None = None,
) -> int:
    """Adds the scans up to a minute before `end`, oldest first; how many. `told` hears of each batch's rows."""
    steps = int(scale.history_time / MINUTE)
    done = 0
    for first in range(0, steps, BATCH):
        if stop is not None and stop.is_set():
            break
        last = min(first + BATCH, steps) - 1
        span = {"first": first, "last": last, "end": end, "steps": steps, "symbols": scale.history_symbols}
        with connection.transaction():
            done += connection.execute(FILL, span).rowcount
        told((last - first + 1) * scale.history_symbols)
    return done
