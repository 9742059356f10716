"""The demo market as a snapshot encoder and a reader of quotes meet it."""

import json
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest

from tradeul_ops.demo.market import CYCLE, NORMAL, OPEN, QUIET, TICK, Market, Regime
from tradeul_ops.demo.ticker import on_grid
from tradeul_ops.demo.universe import TICKERS, securities

START = datetime(2026, 8, 24, 14, 30, tzinfo=UTC)
SOME = securities(1_200)


def parsed(market: Market) -> dict[str, dict[str, Any]]:
    return {symbol: json.loads(record) for symbol, record in market.records.items()}


def leaves(value: object) -> int:
    return sum(leaves(inner) for inner in value.values()) if isinstance(value, dict) else 1


@pytest.fixture(scope="module")
def whole() -> Market:
    market = Market(7, securities(), START)
    market.tick()
    return market


def test_one_seed_one_market() -> None:
    one, same, other = Market(7, SOME, START), Market(7, SOME, START), Market(8, SOME, START)
    for _ in range(3):
        assert one.tick() == same.tick() != other.tick()
    assert one.records == same.records != other.records


def test_what_did_not_change_keeps_its_bytes() -> None:
    market = Market(7, SOME, START)
    before = dict(market.records)
    tick = market.tick()
    for symbol, record in market.records.items():
        if symbol in tick.changed:
            assert record == tick.changed[symbol] != before[symbol]
        else:
            assert record is before[symbol]


def test_each_regime_changes_its_share_of_the_tickers() -> None:
    market = Market(7, SOME, START)
    shares: dict[Regime, list[float]] = defaultdict(list)
    moved: dict[Regime, list[float]] = defaultdict(list)
    prices = {symbol: record["price"] for symbol, record in parsed(market).items()}
    for _ in CYCLE:
        tick = market.tick()
        shares[tick.regime].append(len(tick.changed) / len(SOME))
        now = {symbol: json.loads(record)["price"] for symbol, record in tick.changed.items()}
        moved[tick.regime].append(sum(abs(now[s] / prices[s] - 1) > 0.001 for s in now) / len(SOME))
        prices |= now
    for regime in (QUIET, NORMAL, OPEN):
        assert all(abs(share - regime.changed) < 0.07 for share in shares[regime]), regime.name
    assert median(moved[QUIET]) < 0.01 < median(moved[NORMAL]) < 0.10 < median(moved[OPEN]) < 0.30


def test_the_whole_market_weighs_what_the_platform_s_snapshot_weighs(whole: Market) -> None:
    document = (
        b"{" + b",".join(b'"%s":%s' % (symbol.encode(), record) for symbol, record in whole.records.items()) + b"}"
    )
    assert 8_000_000 < len(document) < 10_000_000
    assert len(json.loads(document)) == TICKERS


def test_few_tickers_hold_most_of_the_volume(whole: Market) -> None:
    volumes = sorted((record["volume_today"] for record in parsed(whole).values()), reverse=True)
    assert sum(volumes[: TICKERS // 100]) > 0.30 * sum(volumes)
    assert sum(volumes[TICKERS // 2 :]) < 0.03 * sum(volumes)


def test_every_record_has_the_same_fields_and_no_float_noise(whole: Market) -> None:
    records = parsed(whole)
    shapes = {tuple((name, tuple(v) if isinstance(v, dict) else ()) for name, v in r.items()) for r in records.values()}
    assert len(shapes) == 1
    assert 45 <= leaves(records["AAPL"]) <= 50
    for symbol, raw in whole.records.items():
        assert json.dumps(records[symbol], separators=(",", ":")).encode() == raw
        assert b"-0.0," not in raw and b"-0.0}" not in raw
    numbers = [v for r in records.values() for v in (*r.values(), *r["day"].values()) if isinstance(v, float)]
    assert all(len(repr(number).partition(".")[2]) <= 4 for number in numbers if abs(number) >= 0.0001)


def test_unknown_is_null(whole: Market) -> None:
    unknown = [r for r in parsed(whole).values() if r["avg_volume"] is None]
    assert unknown and all(r["rvol"] is None and r["rvol_slot"] is None for r in unknown)
    records = parsed(whole)
    assert all((records[s.symbol]["market_cap"] is None) == (s.market_cap is None) for s in securities())


def test_quotes_and_days_make_sense_and_volume_never_falls() -> None:
    market = Market(3, SOME, START)
    volumes = dict.fromkeys(market.records, 0)
    for _ in range(50):
        tick = market.tick()
        for symbol, raw in tick.changed.items():
            record = json.loads(raw)
            price, bid, ask, day = record["price"], record["bid"], record["ask"], record["day"]
            assert 0 < bid <= price <= ask and bid < ask
            assert 0 < day["l"] <= price <= day["h"] and day["l"] <= day["o"] <= day["h"]
            assert record["min"]["l"] <= record["min"]["c"] <= record["min"]["h"]
            assert all(on_grid(round(p * 10_000)) == round(p * 10_000) for p in (price, bid, ask, day["h"], day["l"]))
            assert record["volume_today"] == day["v"] >= volumes[symbol]
            volumes[symbol] = day["v"]
            now_ms = round(tick.at.timestamp() * 1000)
            assert now_ms - 5_000 < record["updated"] == record["lastQuote"]["t"] <= now_ms
            assert record["lastTrade"]["t"] <= record["updated"]


def test_highs_and_lows_are_told() -> None:
    market = Market(3, SOME, START)
    for _ in range(10):
        before = parsed(market)
        tick = market.tick()
        after = parsed(market)
        assert set(tick.highs) == {s for s in after if after[s]["day"]["h"] > before[s]["day"]["h"]}
        assert set(tick.lows) == {s for s in after if after[s]["day"]["l"] < before[s]["day"]["l"]}


def test_a_new_day_begins_where_the_last_one_ended() -> None:
    market = Market(7, SOME, START.replace(hour=23, minute=59, second=50))
    market.tick()
    before = parsed(market)
    tick = market.tick()
    assert tick.at.day == START.day + 1 and tick.changed.keys() == market.records.keys()
    for symbol, record in parsed(market).items():
        assert record["prevDay"] == before[symbol]["day"]
        assert record["volume_today"] == 0 and record["change_percent"] == 0
        assert record["day"]["o"] == before[symbol]["price"]
    assert 0.3 < len(market.tick().changed) / len(SOME) < 0.6


def test_time_can_pass_without_trades() -> None:
    market = Market(7, SOME, START)
    before = dict(market.records)
    market.skip(3)
    assert market.records == before
    tick = market.tick()
    assert (tick.number, tick.at) == (4, START + 4 * TICK)


def test_leaders_leave_out_what_is_unknown() -> None:
    market = Market(7, SOME, START)
    records = parsed(market)
    scores = sorted((r["score"] for r in records.values() if r["score"] is not None), reverse=True)
    assert [records[symbol]["score"] for symbol in market.leaders("score", 20)] == scores[:20]
    lowest = market.leaders("change_percent", 5, lowest=True)
    assert [records[s]["change_percent"] for s in lowest] == sorted(r["change_percent"] for r in records.values())[:5]
    assert len(market.leaders("score", TICKERS)) == len(scores) < len(SOME)


def test_a_tick_of_the_whole_market_costs_a_fraction_of_its_interval(whole: Market) -> None:
    """About 60 ms of CPU mid-day and 120 ms in the first minutes of a trading day, where this was measured."""
    while CYCLE[whole.number % len(CYCLE)] is not OPEN:
        whole.skip(1)
    began = time.process_time()
    assert whole.tick().regime is OPEN
    assert timedelta(seconds=time.process_time() - began) < TICK * 0.3
