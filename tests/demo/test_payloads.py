"""What the services say about a tick: as much as their rates ask for, and nothing that the market did not do."""

import json
from datetime import UTC, datetime
from statistics import mean
from typing import Any

import pytest

from streams.engine.defaults import GUIDE_LIMITS
from timescale.ingest import SCANS
from tradeul_ops.demo.market import CYCLE, QUIET, Market
from tradeul_ops.demo.payloads import RATES, SCANNED, Payloads
from tradeul_ops.demo.universe import securities

START = datetime(2026, 8, 24, 14, 30, tzinfo=UTC)


def size(fields: dict[Any, Any]) -> int:
    return sum(len(part if isinstance(part, bytes) else str(part)) for pair in fields.items() for part in pair)


@pytest.fixture
def market() -> Market:
    return Market(7, securities(2_000), START)


def test_each_rate_overruns_its_limit_within_a_minute() -> None:
    assert RATES.keys() == GUIDE_LIMITS.keys()
    for stream, rate in RATES.items():
        assert rate * 60 > GUIDE_LIMITS[stream].trim_threshold, stream


@pytest.mark.parametrize("count", [50, 2_000])
def test_rates_hold_in_any_market_and_regime(count: int) -> None:
    market = Market(7, securities(count), START)
    payloads = Payloads(market)
    while CYCLE[market.number % len(CYCLE)] is not QUIET:
        market.skip(1)
    for _ in range(3):
        entries = payloads.entries(market.tick())
        assert {stream: len(said) for stream, said in entries.items()} == {s: r * 5 for s, r in RATES.items()}


def test_entries_weigh_what_the_platform_s_weigh(market: Market) -> None:
    payloads = Payloads(market)
    payloads.entries(market.tick())
    sizes = {stream: mean(map(size, said)) for stream, said in payloads.entries(market.tick()).items()}
    for stream, bytes_ in {
        "snapshots:raw": 2_200,
        "stream:ranking:deltas": 270,
        "tickers:filtered": 550,
        "events:session": 150,
        "stream:realtime:aggregates": 270,
    }.items():
        assert 0.75 * bytes_ < sizes[stream] < 1.35 * bytes_, (stream, sizes[stream])


def test_entries_say_what_the_tick_did(market: Market) -> None:
    payloads = Payloads(market)
    payloads.entries(market.tick())
    tick = market.tick()
    said = payloads.entries(tick)
    for entry in said["snapshots:raw"]:
        for record in json.loads(entry["data"]):
            assert json.loads(tick.changed[record["ticker"]]) == record
    for entry in said["stream:realtime:aggregates"]:
        assert json.loads(tick.changed[entry["symbol"]])["min"]["c"] == entry["close"]
    for entry in said["events:session"]:
        if entry["event"] == "new_high":
            assert entry["symbol"] in tick.highs
    for entry in said["tickers:filtered"]:
        assert json.loads(entry["data"])["score"] == json.loads(tick.changed[entry["symbol"]])["score"] is not None


def test_ranking_deltas_rebuild_the_rankings(market: Market) -> None:
    """A reader that applies every delta has the list: what the rate leaves out is all that it may miss."""
    payloads = Payloads(market)
    ranks: dict[str, int] = {}
    for _ in range(4):
        for entry in payloads._ranking_deltas(market.tick(), lambda s: json.loads(market.records[s])):
            if entry["list"] != "high_volume":
                continue
            for delta in json.loads(entry["deltas"]):
                if delta["action"] == "remove":
                    del ranks[delta["symbol"]]
                else:
                    ranks[delta["symbol"]] = delta["rank"]
        assert sorted(ranks, key=ranks.__getitem__) == market.leaders("volume", 200)


def test_scan_rows_are_the_highest_scores(market: Market) -> None:
    payloads = Payloads(market)
    tick = market.tick()
    rows = [dict(zip(SCANS.columns, row, strict=True)) for row in payloads.scan_rows(tick)]
    assert [row["symbol"] for row in rows] == market.leaders("score", SCANNED)
    record = json.loads(market.records[rows[0]["symbol"]])
    assert rows[0]["time"] == tick.at
    assert {name: rows[0][name] for name in ("price", "rvol", "score", "session")} == {
        name: record[name] for name in ("price", "rvol", "score", "session")
    }
    assert ("rvol_2x" in rows[0]["filters_matched"]) == (record["rvol"] >= 2)
