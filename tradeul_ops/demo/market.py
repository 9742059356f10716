"""A stock market made of a seed: the same seed, securities and start give the same bytes. Has no clock and no I/O."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from tradeul_ops.demo.ticker import MOVES, TICKS_A_DAY, Moment, Ticker
from tradeul_ops.demo.universe import Security

TICK = timedelta(seconds=5)
TICK_MS = 5_000
DAY_MS = 86_400_000
BEGUN = 0.35  # of the day's volume is traded when a market starts

Leaders = Literal["score", "change_percent", "rvol", "volume"]


@dataclass(frozen=True, slots=True)
class Regime:
    """Shares of all tickers that change and that trade in one tick; `move` and `volume` are against mid-day."""

    name: str
    session: str
    changed: float
    traded: float
    move: float
    volume: float


# Measured on a generator that was calibrated with SEC and FEDS figures: before the open, mid-day, the first minutes.
QUIET = Regime("quiet", "PRE_MARKET", changed=0.18, traded=0.024, move=0.7, volume=0.1)
NORMAL = Regime("normal", "MARKET_OPEN", changed=0.46, traded=0.15, move=1.0, volume=1.0)
OPEN = Regime("open", "MARKET_OPEN", changed=0.73, traded=0.37, move=1.6, volume=3.0)

# The demo's ten minutes: nobody waits for New York's morning to see a burst.
CYCLE = (NORMAL,) * 36 + (OPEN,) * 24 + (NORMAL,) * 36 + (QUIET,) * 24

_draw = random.Random("sizes")
SIZES = tuple(_draw.lognormvariate(-0.5, 1.0) for _ in range(4_096))  # mean 1


@dataclass(frozen=True, slots=True)
class Tick:
    """What 5 seconds changed: records by symbol, and the symbols that made a new high or low of the day."""

    number: int
    at: datetime
    regime: Regime
    changed: dict[str, bytes]
    highs: tuple[str, ...]
    lows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Chance:
    """How likely a ticker changes and trades in one tick of a regime, and what a trade then amounts to."""

    ticker: Ticker
    change: float
    trade: float
    move: float
    size: float
    trades: float


class Market:
    """`records` holds every ticker's JSON as of the last tick."""

    def __init__(self, seed: int, securities: Sequence[Security], start: datetime) -> None:
        self._draw = random.Random(seed)
        self._time_ms = round(start.timestamp() * 1000)
        self._day, self._day_fraction = self._time_ms // DAY_MS, BEGUN
        self.number = 0
        now = Moment(self._time_ms, CYCLE[0].session, BEGUN)
        self._tickers = {security.symbol: Ticker(security, self._draw, now=now) for security in securities}
        self.records = {symbol: ticker.record for symbol, ticker in self._tickers.items()}
        self._chances = {regime: self._chances_in(regime) for regime in (QUIET, NORMAL, OPEN)}

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self._time_ms / 1000, tz=UTC)

    def skip(self, ticks: int) -> None:
        """Lets time pass in which nothing happens: for a process that was held up."""
        self._advance(ticks)

    def tick(self) -> Tick:
        """The next 5 seconds."""
        regime = self._advance(1)
        if self._time_ms // DAY_MS != self._day:
            return self._roll_over(regime)
        now = Moment(self._time_ms, regime.session, self._day_fraction)
        random_ = self._draw.random
        changed: dict[str, bytes] = {}
        extremes: dict[int, list[str]] = {1: [], -1: [], 0: []}
        for chance in self._chances[regime]:
            luck = random_()
            if luck >= chance.change:
                continue
            ticker = chance.ticker
            at_ms = now.time_ms - int(TICK_MS * random_())
            if luck < chance.trade:
                much = SIZES[int(len(SIZES) * random_())]
                extreme = ticker.trade(
                    at_ms,
                    move=chance.move * MOVES[int(len(MOVES) * random_())],
                    size=1 + int(chance.size * much),
                    trades=1 + int(chance.trades * much),
                    now=now,
                )
                extremes[extreme].append(ticker.symbol)
            ticker.quote(at_ms, random_)
            changed[ticker.symbol] = ticker.record
        self.records.update(changed)
        return Tick(self.number, self.at, regime, changed, tuple(extremes[1]), tuple(extremes[-1]))

    def leaders(self, by: Leaders, count: int, *, lowest: bool = False) -> list[str]:
        """The symbols with the highest (or lowest) value; those without one are left out. Ties fall by symbol."""
        sign = -1 if lowest else 1
        known = ((sign * value, symbol) for symbol, t in self._tickers.items() if (value := getattr(t, by)) is not None)
        return [symbol for _, symbol in heapq.nlargest(count, known)]

    def _advance(self, ticks: int) -> Regime:
        for _ in range(ticks):
            regime = CYCLE[self.number % len(CYCLE)]
            self._day_fraction += regime.volume / TICKS_A_DAY
            self.number += 1
        self._time_ms += ticks * TICK_MS
        return regime

    def _roll_over(self, regime: Regime) -> Tick:
        """The first tick of a day (one of UTC): every ticker changes, volumes start at zero."""
        self._day, self._day_fraction = self._time_ms // DAY_MS, 1 / TICKS_A_DAY
        now = Moment(self._time_ms, regime.session, self._day_fraction)
        for symbol, ticker in self._tickers.items():
            ticker.roll_over(self._time_ms, self._draw.random, now=now)
            self.records[symbol] = ticker.record
        return Tick(self.number, self.at, regime, dict(self.records), (), ())

    def _chances_in(self, regime: Regime) -> list[_Chance]:
        activities = [ticker.trades_a_day / TICKS_A_DAY for ticker in self._tickers.values()]
        changes, trades = _chances(activities, share=regime.changed), _chances(activities, share=regime.traded)
        usual = _chances(activities, share=NORMAL.traded)
        return [
            _Chance(
                ticker,
                change,
                trade,
                # A normal day of such moves swings the price by twice `swing`; half is bounce between bid and ask.
                move=2 * regime.move * ticker.swing / math.sqrt(max(1.0, TICKS_A_DAY * often)),
                size=regime.volume * (ticker.average or 0) / TICKS_A_DAY / trade,
                trades=regime.volume * activity / trade,
            )
            for ticker, activity, change, trade, often in zip(
                self._tickers.values(), activities, changes, trades, usual, strict=True
            )
        ]


def _chances(activities: Sequence[float], *, share: float) -> list[float]:
    """1 - exp(-k activity) for each, with the k that makes their mean `share`: found by bisection."""
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        k = math.exp(middle)
        chances = [-math.expm1(-k * activity) for activity in activities]
        if sum(chances) < share * len(chances):
            low = middle
        else:
            high = middle
    return chances
