"""Makes records: arbitrary ones for properties, and a market from a seed for sizes and speed."""

from __future__ import annotations

import math
import random
from typing import Any

from hypothesis import strategies as st

BEYOND = 2**53

numbers = st.one_of(
    st.integers(-(10**9), 10**9),
    st.integers(-(2**70), 2**70),
    st.sampled_from([BEYOND - 1, BEYOND, BEYOND + 1, -BEYOND, -BEYOND - 1, 10**17, 1755612345678901234]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 1e17, 1e21, 1e23, 5e-324, 1.7976931348623157e308, 0.1, 1e-7, 123456789.123456]),
    st.integers(-(10**6), 10**6).map(lambda n: n / 100),
    st.integers(-(10**8), 10**8).map(lambda n: n / 10_000),
)
texts = st.one_of(
    st.text(max_size=6), st.sampled_from(["", ".", "a.b", "\\", "\ud800", "\U0001f4c8", "\u2028", "\x00\x1f\x7f"])
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
leaves = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
names = st.one_of(
    st.sampled_from(["price", "day", "volume", "rvol", "lastTrade", "a.b", "a", "b", "\\", "", "x\\.y"]), texts
)
records = st.dictionaries(names, leaves, max_size=5)
symbols = st.one_of(st.sampled_from(["AAPL", "MSFT", "BRK.B", "ÑANDÚ", "", "TSLA"]), texts)
snapshots = st.dictionaries(symbols, records, max_size=6)

# The same few tickers and fields over and over: long chains of small changes.
quiet_numbers = st.one_of(
    st.integers(0, 2_000_000).map(lambda n: n / 100),
    st.integers(0, 2_000_000).map(lambda n: n / 10_000),
    st.integers(0, 10**9),
    st.integers(1755612345678901234, 1755612345688901234),
    st.sampled_from([None, 1, 1.0, True, False, 0, 2**53, 2**53 - 1, 1e16]),
)
tickers = st.fixed_dictionaries(
    {
        "price": quiet_numbers,
        "volume": quiet_numbers,
        "day": st.fixed_dictionaries({"v": quiet_numbers, "o": quiet_numbers}),
    },
    optional={"rvol": quiet_numbers, "halted": st.booleans(), "news": st.lists(quiet_numbers, max_size=2)},
)
quiet_snapshots = st.dictionaries(st.sampled_from([f"T{n}" for n in range(8)]), tickers, max_size=8)


def market(seed: int, *, tickers: int) -> dict[str, dict[str, Any]]:
    """47 leaves a ticker, as an enriched snapshot has them; volumes and prices spread as on a real market."""
    chance = random.Random(seed)
    return {f"{_letters(n)}": _ticker(chance) for n in range(tickers)}


def _letters(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, 26)
        text = chr(65 + digit) + text
        if number == 0:
            return text
        number -= 1


def _ticker(chance: random.Random) -> dict[str, Any]:
    adv = math.exp(chance.gauss(11, 2.4))
    price = round(math.exp(chance.gauss(3, 1.2)), 2)
    volume = int(adv * chance.random())
    traded_at = 1_755_600_000_000_000_000 + chance.randrange(10**15)
    bar = {"o": price, "h": round(price * 1.02, 2), "l": round(price * 0.98, 2), "c": price, "v": volume, "vw": price}
    previous = {"o": price, "h": price, "l": price, "c": round(price * 1.01, 2), "v": int(adv), "vw": price}
    return {
        "ticker_type": chance.choice(["CS", "ETF", "ADRC"]),
        "price": price,
        "volume_today": volume,
        "rvol": round(chance.random() * 3, 2) if volume > 1000 else None,
        "rvol_slot": 36,
        "change_percent": round(chance.gauss(0, 2), 4),
        "atr": round(price * 0.03, 4),
        "atr_percent": 3.0,
        "market_cap": int(price * adv * 300),
        "float_shares": int(adv * 300),
        "avg_volume_5d": int(adv),
        "avg_volume_10d": int(adv * 1.1),
        "minute_volume": int(adv / 390),
        "score": round(chance.random() * 100, 2) if chance.random() < 0.13 else None,
        "rank": None,
        "halted": False,
        "vwap": price,
        "updated": 1_755_600_000_000,
        "day": dict(bar),
        "prevDay": previous,
        "min": {**bar, "av": volume, "t": 1_755_600_000_000, "n": volume // 100},
        "lastQuote": {"p": price, "P": round(price + 0.01, 2), "s": 3, "S": 5, "t": traded_at},
        "lastTrade": {"p": price, "s": 100, "t": traded_at, "x": 4, "i": "1", "c": [12, 37]},
    }


def tick(records: dict[str, dict[str, Any]], seed: int, *, share: float = 0.46) -> dict[str, dict[str, Any]]:
    """The next snapshot: `share` of the tickers have new quotes, a third of these a trade."""
    chance = random.Random(seed)
    after = dict(records)
    for symbol, record in records.items():
        if chance.random() >= share:
            continue
        now = record["lastTrade"]["t"] + chance.randrange(5 * 10**9)
        quote = {**record["lastQuote"], "s": chance.randrange(1, 40), "S": chance.randrange(1, 40), "t": now}
        changed = {**record, "lastQuote": quote}
        if chance.random() < 0.33:
            price = round(record["price"] * (1 + chance.gauss(0, 0.001)), 2)
            size = chance.randrange(1, 500)
            volume = record["volume_today"] + size
            day = {**record["day"], "c": price, "v": volume, "h": max(price, record["day"]["h"]), "vw": round(price, 4)}
            minute = {
                **record["min"],
                "c": price,
                "av": volume,
                "v": record["min"]["v"] + size,
                "n": record["min"]["n"] + 1,
            }
            changed |= {"price": price, "volume_today": volume, "day": day, "min": minute}
            changed["lastTrade"] = {**record["lastTrade"], "p": price, "s": size, "t": now}
            quote |= {"p": round(price - 0.01, 2), "P": round(price + 0.01, 2)}
        after[symbol] = changed
    return after
