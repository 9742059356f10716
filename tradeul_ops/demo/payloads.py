"""What the platform's services would write about one tick: stream entries and table rows, all from market records.

Sends nothing. Where a quiet tick has less to say than a stream's rate asks for, it is said again.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from timescale.ingest import SCANS
from tradeul_ops.demo.market import TICK, Leaders, Market, Tick

Record = dict[str, Any]
Fields = dict[Any, Any]  # names to str, bytes, int or float; redis-py's own type for it is not covariant

# Entries a second. Each overruns its limit of the integration guide within a minute; tickers:filtered also the cap
# (three times its limit) that a group which is behind may hold it to.
RATES = {
    "snapshots:raw": 40,
    "stream:ranking:deltas": 160,
    "tickers:filtered": 50,
    "events:session": 10,
    "stream:realtime:aggregates": 160,
}
RECORDS_AN_ENTRY = 3  # of snapshots:raw: about 2 KB
SCANNED = 500

RANKING_LENGTH = 200
RANKINGS: dict[str, tuple[Leaders, bool]] = {  # list → by what, and whether the lowest lead
    "momentum": ("score", False),
    "gappers_up": ("change_percent", False),
    "gappers_down": ("change_percent", True),
    "high_rvol": ("rvol", False),
    "high_volume": ("volume", False),
}
RANKED = ("symbol", "price", "change_percent", "volume_today", "rvol", "score")
MOVED = ("price", "change_percent", "volume_today", "price_from_high", "price_from_low")
FILTERED = (
    *(
        "price",
        "bid",
        "ask",
        "spread",
        "change_percent",
        "todaysChange",
        "volume_today",
        "avg_volume",
        "rvol",
        "rvol_slot",
    ),
    *("score", "market_cap", "float_shares", "sector", "exchange", "price_from_high", "price_from_low", "updated"),
)


class Payloads:
    """Remembers the last rankings, so as to tell what changed in them."""

    def __init__(self, market: Market, *, records_an_entry: int = RECORDS_AN_ENTRY) -> None:
        self._market, self._records_an_entry = market, records_an_entry
        self._ranks: dict[str, dict[str, int]] = {name: {} for name in RANKINGS}

    def entries(self, tick: Tick) -> dict[str, list[Fields]]:
        """Stream → as many entries as its rate asks for in one tick."""
        record = functools.cache(lambda symbol: json.loads(self._market.records[symbol]))
        changed = list(tick.changed) or list(self._market.records)
        # Each tick begins elsewhere in the alphabet; otherwise its end would never be heard of.
        turn = tick.number * 997 % len(changed)
        changed = changed[turn:] + changed[:turn]
        scanned = self._market.leaders("score", SCANNED)
        said = {
            "snapshots:raw": _raw(tick, changed, self._market.records, count=self._records_an_entry),
            "stream:ranking:deltas": self._ranking_deltas(tick, record),
            "tickers:filtered": _filtered(
                tick, [s for s in scanned if s in tick.changed] or scanned or changed, record
            ),
            "events:session": _events(tick, record),
            "stream:realtime:aggregates": _aggregates(tick, changed, record),
        }
        return {stream: _exactly(_in_a_tick(rate), said[stream]) for stream, rate in RATES.items()}

    def _ranking_deltas(self, tick: Tick, record: Callable[[str], Record]) -> Iterator[Fields]:
        lists: list[list[tuple[str, dict[str, Any]]]] = []
        for name, (by, lowest) in RANKINGS.items():
            before = self._ranks[name]
            symbols = self._market.leaders(by, RANKING_LENGTH, lowest=lowest)
            now = self._ranks[name] = {symbol: rank for rank, symbol in enumerate(symbols, 1)}
            deltas: list[tuple[str, dict[str, Any]]] = [
                (name, {"action": "remove", "symbol": symbol, "old_rank": rank})
                for symbol, rank in before.items()
                if symbol not in now
            ]
            for symbol, rank in now.items():
                if before.get(symbol) != rank or symbol in tick.changed:
                    action = "update" if symbol in before else "add"
                    place = {"action": action, "rank": rank, "old_rank": before.get(symbol)}
                    deltas.append((name, place | _pick(record(symbol) | {"symbol": symbol}, RANKED)))
            lists.append(deltas)
        # A line of each list in turn: a slow half of the tick says something about all of them.
        for name, delta in (one for row in itertools.zip_longest(*lists) for one in row if one):
            yield {
                "type": "delta",
                "list": name,
                "sequence": tick.number,
                "timestamp": _ms(tick.at),
                "session": tick.regime.session,
                "deltas": _dumps([delta]),
            }

    def scan_rows(self, tick: Tick) -> list[tuple[Any, ...]]:
        """Rows of scan_results, in the order of SCANS.columns: the tickers with the highest scores."""
        rows = []
        for rank, symbol in enumerate(self._market.leaders("score", SCANNED), 1):
            found = json.loads(self._market.records[symbol])
            known = {"symbol": symbol, "time": tick.at, "volume": found["min"]["v"], "filters_matched": _filters(found)}
            known["metadata"] = _dumps({"rank": rank, "regime": tick.regime.name, "exchange": found["exchange"]})
            rows.append(tuple((found | known)[column] for column in SCANS.columns))
        return rows


def _raw(tick: Tick, changed: Sequence[str], records: dict[str, bytes], *, count: int) -> Iterator[Fields]:
    for at in range(0, len(changed), count):
        some = changed[at : at + count]
        data = b"[" + b",".join(records[symbol] for symbol in some) + b"]"
        yield {"timestamp": _ms(tick.at), "count": len(some), "data": data}


def _filtered(tick: Tick, symbols: Sequence[str], record: Callable[[str], Record]) -> Iterator[Fields]:
    for symbol in symbols:
        found = record(symbol)
        data = _pick(found, FILTERED) | {"filters_matched": _filters(found)}
        yield {"symbol": symbol, "session": found["session"], "timestamp": _ms(tick.at), "data": _dumps(data)}


def _events(tick: Tick, record: Callable[[str], Record]) -> Iterator[Fields]:
    stamp: Fields = {"session": tick.regime.session, "timestamp": _ms(tick.at)}
    for event, symbol in itertools.chain.from_iterable(
        itertools.zip_longest(
            (("new_high", s) for s in tick.highs), (("new_low", s) for s in tick.lows), fillvalue=("", "")
        )
    ):
        if symbol:
            yield {"event": event, "symbol": symbol, **_pick(record(symbol), MOVED), **stamp}
    yield {
        "event": "session_status",
        "regime": tick.regime.name,
        "changed": len(tick.changed),
        "tick": tick.number,
        **stamp,
    }


def _aggregates(tick: Tick, symbols: Sequence[str], record: Callable[[str], Record]) -> Iterator[Fields]:
    for symbol in symbols:
        found = record(symbol)
        minute = found["min"]
        yield {
            "event_type": "A",
            "symbol": symbol,
            "open": minute["o"],
            "high": minute["h"],
            "low": minute["l"],
            "close": minute["c"],
            "volume": minute["v"],
            "vwap": minute["vw"],
            "volume_accumulated": minute["av"],
            "trades": minute["n"],
            "day_open": found["day"]["o"],
            "day_high": found["day"]["h"],
            "day_low": found["day"]["l"],
            "day_vwap": found["day"]["vw"],
            "bid": found["bid"],
            "ask": found["ask"],
            "session": found["session"],
            "timestamp_start": minute["t"],
            "timestamp_end": _ms(tick.at),
        }


def _filters(record: Record) -> list[str]:
    """The scanner's rules that a ticker meets."""
    rules = {
        "rvol_2x": (record["rvol"] or 0) >= 2,
        "gap_3pct": abs(record["change_percent"]) >= 3,
        "volume_1m": record["volume_today"] >= 1_000_000,
        "near_high": record["price_from_high"] >= -0.5,
        "under_20": record["price"] < 20,
    }
    return [name for name, met in rules.items() if met]


def _exactly(count: int, entries: Iterable[Fields]) -> list[Fields]:
    """So many of them: no more are made than that, and too few begin again."""
    some = list(itertools.islice(entries, count))
    return list(itertools.islice(itertools.cycle(some), count))


def _in_a_tick(rate: int) -> int:
    return round(rate * TICK.total_seconds())


def _pick(record: Record, names: Iterable[str]) -> Record:
    return {name: record[name] for name in names}


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _ms(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)
