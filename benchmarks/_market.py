"""A market from a seed, calibrated with published figures, for sizes and speed. Has no clock and no I/O.

Volume: lognormal, median 60,000 shares a day, sigma 2.4: half of the symbols have 1 % of it, as the SEC's review of
order competition (2018) found. Trades grow with volume to the power 0.88 (Kyle, Obizhaeva, Tuzun: FEDS 2016-034).
Prices are on the exchange's grid, trades between bid and ask; moves are Student's t with a common factor. rvol compares
the day's volume with the usual one at the end of the running slot of five minutes: when a slot turns, everybody's rvol
changes, and so the score of those who have one. Shares of tickers that change and trade in five seconds are a regime's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from snapshots.engine.cells import split_name, unflatten
from tradeul_ops.demo.market import Regime

TICKS_A_DAY = 4_680  # of 5 s
SLOTS_A_DAY = 78
SCANNED = 1_600  # tickers that have a score and a rank
WHOLE = ("volume", "m_at", "m_trades", "m_volume", "ask_size", "bid_size", "quoted_ms", "size", "rank", "exchange")
SLOT = 30  # at the start: noon
START_MS = 1_773_072_000_000
SECTORS = ("Technology", "Health Care", "Financials", "Industrials", "Energy", "Utilities", "Real Estate", "Materials")

Floats = npt.NDArray[np.float64]


class Market:
    """`fields`: symbol → JSON, as of the last tick. `turn_at`: the tick at which the slot turns."""

    def __init__(self, regime: Regime, *, tickers: int, turn_at: int, seed: int = 1) -> None:
        self._regime, self._turn_at, self._tick, self._slot = regime, turn_at, 0, SLOT
        self._draw = draw = np.random.default_rng(seed)
        self._symbols = [_letters(number) for number in draw.permutation(26**4)[:tickers].tolist()]
        self._average = np.maximum(50, draw.lognormal(np.log(60_000), 2.4, tickers)).round()
        activity = 600 * (self._average / 60_000) ** 0.88 / TICKS_A_DAY / 3  # clusters of trades in a tick
        self._may_trade = _chances(activity, share=regime.traded)
        self._may_quote = np.maximum(self._may_trade, _chances(activity, share=regime.changed))
        before = _on_grid(np.clip(draw.lognormal(np.log(16), 1.3, tickers), 0.05, 3_000))
        thin = 1 / (1 + 3 * activity)
        self._swing = 0.012 + 0.03 * thin
        self._spread = np.maximum(_grid(before), _on_grid(before * (0.0001 + 0.006 * thin**2)))
        part, so_far = SLOT / SLOTS_A_DAY, draw.lognormal(-0.3, 0.8, tickers)
        opened = _on_grid(before * (1 + 0.004 * draw.standard_t(3, tickers)).clip(0.7, 1.4))
        last = _on_grid(opened * (1 + self._swing * 0.6 * draw.standard_t(3, tickers)).clip(0.7, 1.5))
        volume = (self._average * part * so_far).astype(np.int64).astype(float)
        low, high = np.minimum(opened, last), np.maximum(opened, last)
        minute = np.maximum(1, (volume / (SLOT * 5)).round())
        self._sectors = [SECTORS[at] for at in draw.integers(0, len(SECTORS), tickers)]
        self._still = {
            "prevDay.o": before,
            "prevDay.h": (before * 1.01).round(4),
            "prevDay.l": (before * 0.99).round(4),
            "prevDay.c": before,
            "prevDay.v": self._average.astype(np.int64),
            "prevDay.vw": (before * 1.001).round(4),
            "average_daily_volume_20d": self._average.astype(np.int64),
            "market_capitalization": (before * self._average * draw.lognormal(5, 0.5, tickers)).astype(np.int64),
            "shares_outstanding_float": (self._average * draw.lognormal(4.5, 0.5, tickers)).astype(np.int64),
            "average_true_range_14": (before * self._swing * 1.5).round(2),
        }
        self._scanned = np.zeros(tickers, dtype=bool)
        self._scanned[np.argsort(-volume)[:SCANNED]] = True
        now: dict[str, Any] = {
            "before": before,
            "opened": opened,
            "high": high,
            "low": low,
            "last": last,
            "close": last,
            "volume": volume,
            "money": volume * (opened + last) / 2,
            "mid": last,
            "size": np.full(tickers, 100.0),
            "m_open": last,
            "m_high": last,
            "m_low": last,
            "m_volume": minute,
            "m_trades": np.ones(tickers),
            "m_money": minute * last,
            "m_at": np.full(tickers, START_MS // 60_000 * 60_000.0),
            "traded_ns": (START_MS - draw.integers(0, 600_000, tickers)) * 10**6 + draw.integers(0, 10**6, tickers),
            "quoted_ms": (START_MS - draw.integers(0, 60_000, tickers)).astype(float),
            **{name: np.zeros(tickers) for name in ("bid", "ask", "bid_size", "ask_size", "rvol", "score", "rank")},
            "exchange": draw.integers(1, 20, tickers).astype(float),
        }
        self._now = {name: values.copy() for name, values in now.items()}
        everybody = np.arange(tickers)
        self._quote(everybody)
        self._compare(everybody)
        self.fields = self._rendered(everybody)

    def tick(self) -> dict[str, bytes]:
        """The next five seconds: who changed."""
        self._tick += 1
        draw, now, count = self._draw, self._now, len(self._symbols)
        luck = draw.random(count)
        trades, quotes = luck < self._may_trade, luck < self._may_quote
        common = 0.2 * draw.standard_normal()
        self._trade(np.flatnonzero(trades), common)
        self._quote(np.flatnonzero(quotes))
        rvol, score = now["rvol"].copy(), now["score"].copy()
        if self._tick == self._turn_at:
            self._slot += 1
            self._compare(np.arange(count))
        else:
            self._compare(np.flatnonzero(trades))
        changed = self._rendered(np.flatnonzero(quotes | (rvol != now["rvol"]) | (score != now["score"])))
        self.fields = self.fields | changed
        return changed

    def _time(self) -> int:
        return START_MS + self._tick * 5_000

    def _trade(self, rows: npt.NDArray[np.int64], common: float) -> None:
        now, draw, regime = self._now, self._draw, self._regime
        size = len(rows)
        step = self._swing[rows] * regime.move / np.sqrt(np.maximum(1, TICKS_A_DAY * self._may_trade[rows]))
        moved = now["mid"][rows] * (1 + step * (0.8 * draw.standard_t(3, size) + common)).clip(0.8, 1.25)
        now["mid"][rows] = moved
        where = draw.choice([-0.5, 0.5, 0.0, 0.21], p=[0.4, 0.4, 0.12, 0.08], size=size)  # bid, ask, mid, within a cent
        on_grid = np.where(np.abs(where) == 0.5, _on_grid(moved + where * self._spread[rows]), moved.round(4))
        last = now["last"][rows] = np.maximum(0.0001, on_grid)
        shares = 1 + (
            self._average[rows] * regime.volume / TICKS_A_DAY / self._may_trade[rows] * draw.lognormal(-0.5, 1, size)
        ).astype(np.int64)
        now["size"][rows] = np.minimum(shares, draw.choice([1, 10, 50, 100, 100, 100, 200, 500], size=size))
        odd = now["size"][rows] < 100  # odd lots make no close, no high and no low
        now["close"][rows] = np.where(odd, now["close"][rows], last)
        now["high"][rows] = np.where(odd, now["high"][rows], np.maximum(now["high"][rows], last))
        now["low"][rows] = np.where(odd, now["low"][rows], np.minimum(now["low"][rows], last))
        now["volume"][rows] += shares
        now["money"][rows] += shares * last
        now["traded_ns"][rows] = (self._time() - draw.integers(0, 5_000, size)) * 10**6 + draw.integers(0, 10**6, size)
        minute = self._time() // 60_000 * 60_000
        fresh = now["m_at"][rows] != minute
        now["m_at"][rows] = minute
        for name in ("m_open", "m_high", "m_low"):
            now[name][rows] = np.where(fresh, last, now[name][rows])
        now["m_high"][rows] = np.maximum(now["m_high"][rows], last)
        now["m_low"][rows] = np.minimum(now["m_low"][rows], last)
        for name, more in (("m_volume", shares), ("m_money", shares * last), ("m_trades", 1 + draw.poisson(2, size))):
            now[name][rows] = np.where(fresh, 0, now[name][rows]) + more

    def _quote(self, rows: npt.NDArray[np.int64]) -> None:
        now, draw = self._now, self._draw
        grid, half = _grid(now["mid"][rows]), self._spread[rows] / 2
        stay = draw.choice([0, 0, 0, 1, -1], size=len(rows)) * grid
        bid = now["bid"][rows] = np.maximum(grid, _on_grid(now["mid"][rows] - half + stay))
        more = draw.choice([0, 0, 1], size=len(rows)) * grid
        now["ask"][rows] = np.maximum(bid + grid, _on_grid(now["mid"][rows] + half + more)).round(4)
        for name in ("bid_size", "ask_size"):
            sizes = 1 + (1 / (0.01 + draw.random(len(rows)))).astype(np.int64)
            now[name][rows] = np.where(draw.random(len(rows)) < 0.8, sizes, now[name][rows])
        now["quoted_ms"][rows] = self._time() - draw.integers(0, 5_000, len(rows))

    def _compare(self, rows: npt.NDArray[np.int64]) -> None:
        now = self._now
        usual = self._average[rows] * (self._slot + 1) / SLOTS_A_DAY
        rvol = now["rvol"][rows] = (now["volume"][rows] / usual).round(2).clip(0, 9_999)
        moved = np.abs(now["last"][rows] / now["before"][rows] - 1) * 100
        now["score"][rows] = np.where(
            self._scanned[rows], (12 * np.log2(1 + rvol) + 2.5 * moved).round(1).clip(0, 100), 0
        )
        if len(rows) == len(self._symbols):
            scanned = np.flatnonzero(self._scanned)
            now["rank"][scanned[np.argsort(-now["score"][scanned], kind="stable")]] = np.arange(1, len(scanned) + 1)

    def _rendered(self, rows: npt.NDArray[np.int64]) -> dict[str, bytes]:
        now = {name: values[rows] for name, values in self._now.items()}
        whole = {name: now[name].astype(np.int64) for name in WHOLE}
        last, high, change = now["last"].round(4), now["high"], now["last"] - now["before"]
        vwap = np.where(now["volume"] > 0, now["money"] / np.maximum(now["volume"], 1), last)
        percent = (100 * change / now["before"]).round(2)
        symbols = [self._symbols[row] for row in rows.tolist()]
        scanned = self._scanned[rows].tolist()
        still = {name: values[rows] for name, values in self._still.items()}
        leaves: dict[str, Any] = {
            "ticker": symbols,
            "todaysChange": change.round(4),
            "todaysChangePerc": percent,
            "updated": whole["quoted_ms"],
            "day.o": now["opened"],
            "day.h": high,
            "day.l": now["low"],
            "day.c": now["close"],
            "day.v": whole["volume"],
            "day.vw": vwap.round(4),
            "min.av": whole["volume"],
            "min.t": whole["m_at"],
            "min.n": whole["m_trades"],
            "min.o": now["m_open"],
            "min.h": now["m_high"],
            "min.l": now["m_low"],
            "min.c": last,
            "min.v": whole["m_volume"],
            "min.vw": (now["m_money"] / now["m_volume"]).round(4),
            "lastQuote.P": now["ask"],
            "lastQuote.S": whole["ask_size"],
            "lastQuote.p": now["bid"],
            "lastQuote.s": whole["bid_size"],
            "lastQuote.t": whole["quoted_ms"],
            "lastTrade.p": last,
            "lastTrade.s": whole["size"],
            "lastTrade.t": now["traded_ns"],
            "lastTrade.x": whole["exchange"],
            **{name: values for name, values in still.items() if name.startswith("prevDay")},
            "price": last,
            "change_percent": percent,
            "volume_today": whole["volume"],
            "rvol": now["rvol"],
            "score": [score if has else None for score, has in zip(now["score"].tolist(), scanned, strict=True)],
            "rank": [rank if has else None for rank, has in zip(whole["rank"].tolist(), scanned, strict=True)],
            **{name: values for name, values in still.items() if not name.startswith("prevDay")},
            "sector": [self._sectors[row] for row in rows.tolist()],
            "session": [self._regime.session] * len(rows),
            "price_from_high_percent": (100 * (last / high - 1)).round(2),
        }
        paths = [split_name(name) for name in leaves]
        columns = [leaf if isinstance(leaf, list) else leaf.tolist() for leaf in leaves.values()]
        records = (unflatten(zip(paths, values, strict=True)) for values in zip(*columns, strict=True))
        return dict(zip(symbols, map(orjson.dumps, records), strict=True))


def _grid(prices: Floats) -> Floats:
    return np.where(prices < 1, 0.0001, 0.01)


def _on_grid(prices: Floats) -> Floats:
    grid = _grid(prices)
    return np.maximum(grid, (prices / grid).round() * grid).round(4)


def _letters(number: int) -> str:
    return "".join(chr(65 + number // 26**place % 26) for place in range(4))


def _chances(activity: Floats, *, share: float) -> Floats:
    """1 - exp(-k activity), with the k that makes their mean `share`: found by bisection."""
    low, high = -20.0, 20.0
    for _ in range(50):
        k = np.exp((low + high) / 2)
        low, high = ((low + high) / 2, high) if (-np.expm1(-k * activity)).mean() < share else (low, (low + high) / 2)
    return -np.expm1(-np.exp(low) * activity)
