"""One ticker of the demo market: its quote, its trades, its day, and the JSON record of them. Has no clock of its own.

Money is counted in whole 1/10000 dollars: every price is an exact decimal, and no sum carries float noise.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import NamedTuple

from tradeul_ops.demo.universe import UNITS, Security

TICKS_A_DAY = 4_680  # of 5 s, in the 6.5 hours that the exchanges are open
SLOTS_A_DAY = 78
MINUTE_MS, SLOT_MS = 60_000, 300_000
CENT = UNITS // 100
RVOL_MAX = 9_999.0
SCORED_VOLUME, SCORED_PRICE = 20_000, UNITS // 2  # below these the scanner does not look
EXCHANGE_IDS = {"AMEX": 1, "ARCA": 4, "NYSE": 10, "NASDAQ": 12, "OTC": 16}


class Moment(NamedTuple):
    """`day_fraction` is the part of an ordinary day's volume that should have been traded by now."""

    time_ms: int
    session: str
    day_fraction: float


def on_grid(units: float) -> int:
    """The nearest price that can be quoted: whole cents from a dollar up, 1/10000 below it, and never zero."""
    if units >= UNITS:
        return round(units / CENT) * CENT
    return max(1, round(units))


def _student_t(draw: random.Random) -> float:
    """Three degrees of freedom, variance 1: mostly small moves and now and then a jump."""
    return max(-8.0, min(8.0, draw.gauss(0, 1) / math.sqrt(sum(draw.gauss(0, 1) ** 2 for _ in range(3)))))


# One look-up instead of several draws a move: this is the innermost loop.
_draw = random.Random("moves")
MOVES = tuple(_student_t(_draw) for _ in range(4_096))


class Ticker:
    """`record` is its JSON as of the last change: byte for byte the same until the next one."""

    def __init__(self, security: Security, draw: random.Random, *, now: Moment) -> None:
        self.symbol = security.symbol
        self.average = security.average_volume
        # Trades grow with volume to the power 0.88: a line through the SEC's and the Federal Reserve's figures.
        self.trades_a_day = 600 * (max(1, self.average or security.volume) / 60_000) ** 0.88
        # Cheap and thin shares swing more, through a day as between bid and ask.
        thin = 1 / (1 + self.trades_a_day / TICKS_A_DAY)
        self.swing = (0.012 + 0.03 * thin) * (1.0 if security.price >= 5 else 1.7)
        self._half_spread = 0.0001 + 0.006 * thin * thin
        self._head = f'{{"ticker":{json.dumps(self.symbol)},"day":'
        self._exchange_id = EXCHANGE_IDS[security.exchange]
        shares = security.market_cap / security.price if security.market_cap else 0
        self._worth = (
            f'"exchange":"{security.exchange}","sector":{json.dumps(security.sector)},"avg_volume":{json.dumps(self.average)},'
            f'"market_cap":{json.dumps(security.market_cap)},'
            f'"float_shares":{round(shares * draw.uniform(0.4, 0.97)) or "null"},"session":'
        )
        earlier, closed = on_grid((security.closes[-2] or security.price) * UNITS), on_grid(security.price * UNITS)
        high = on_grid(max(earlier, closed) * (1 + 0.5 * self.swing * draw.random()))
        low = on_grid(min(earlier, closed) * (1 - 0.5 * self.swing * draw.random()))
        self.close_day(earlier, high, low, closed, security.volume, (earlier + closed) * security.volume // 2)
        self._draw_day(security.volume, draw, now=now)

    def close_day(self, opened: int, high: int, low: int, closed: int, volume: int, turnover: int) -> None:
        """Makes these the previous day's figures."""
        self._previous_close = closed
        self._previous = _bar(opened, high, low, closed, volume, turnover)

    def _draw_day(self, usual_volume: int, draw: random.Random, *, now: Moment) -> None:
        """The day up to now, in one go."""
        swing = self.swing * math.sqrt(now.day_fraction)
        self.open = on_grid(self._previous_close * (1 + 0.3 * self.swing * draw.choice(MOVES)))
        self.last = on_grid(self.open * max(0.5, 1 + swing * draw.choice(MOVES)))
        self.high = on_grid(max(self.open, self.last) * (1 + 0.5 * swing * draw.random()))
        self.low = on_grid(min(self.open, self.last) * (1 - 0.5 * swing * draw.random()))
        self.volume = int(usual_volume * now.day_fraction * draw.lognormvariate(-0.3, 0.8))
        self.turnover = (self.open + self.last) * self.volume // 2
        age_ms = int(min(7_200_000, 5_000 * TICKS_A_DAY / self.trades_a_day) * draw.random())
        self._traded_ms, self._traded_size = now.time_ms - age_ms, 100
        self._minute, self._slot = self._traded_ms // MINUTE_MS, self._traded_ms // SLOT_MS
        self._slot_volume = int(self.volume / (1 + SLOTS_A_DAY * now.day_fraction))
        self._minute_open = self._minute_high = self._minute_low = self.last
        self._minute_volume, self._minute_trades = self._slot_volume // 5, 1
        self._minute_turnover = self.last * self._minute_volume
        self._render_trade(now)
        self.quote(now.time_ms - int(5_000 * draw.random()), draw.random)

    # --- what can happen to it ---------------------------------------------------------------------------------------
    def trade(self, at_ms: int, *, move: float, size: int, trades: int, now: Moment) -> int:
        """`move` is relative. Returns 1 for a new high of the day, -1 for a new low, else 0. A quote must follow."""
        last = self.last = on_grid(self.last + self.last * move)
        extreme = 1 if last > self.high else -1 if last < self.low else 0
        if extreme > 0:
            self.high = last
        elif extreme < 0:
            self.low = last
        self._traded_ms, self._traded_size = at_ms, size
        self.volume += size
        self.turnover += last * size
        if at_ms // SLOT_MS != self._slot:
            self._slot, self._slot_volume = at_ms // SLOT_MS, 0
        self._slot_volume += size
        if at_ms // MINUTE_MS != self._minute:
            self._minute = at_ms // MINUTE_MS
            self._minute_open = self._minute_high = self._minute_low = last
            self._minute_volume = self._minute_turnover = self._minute_trades = 0
        elif last > self._minute_high:
            self._minute_high = last
        elif last < self._minute_low:
            self._minute_low = last
        self._minute_volume += size
        self._minute_turnover += last * size
        self._minute_trades += trades
        self._render_trade(now)
        return extreme

    def quote(self, at_ms: int, random_: Callable[[], float]) -> None:
        """Bid ≤ last ≤ ask and bid < ask, all on the grid."""
        last = self.last
        tick = CENT if last >= UNITS else 1
        reach = 1 + int(last * self._half_spread / tick)
        bid = max(tick, last - tick * int(random_() * (reach + 1)))
        ask = on_grid(max(last, bid + tick) + tick * int(random_() * reach))
        bid_size, ask_size = 1 + int(1 / (0.01 + random_())), 1 + int(1 / (0.01 + random_()))
        bid_text, ask_text = bid / UNITS, ask / UNITS
        self.record = (
            f'{self._traded}"lastQuote":{{"P":{ask_text},"S":{ask_size},"p":{bid_text},"s":{bid_size},"t":{at_ms}}},'
            f'"bid":{bid_text},"ask":{ask_text},"spread":{(ask - bid) / UNITS},"updated":{at_ms}}}'
        ).encode()

    def roll_over(self, at_ms: int, random_: Callable[[], float], *, now: Moment) -> None:
        """A new day: its figures so far become the previous day's."""
        self.close_day(self.open, self.high, self.low, self.last, self.volume, self.turnover)
        self.open = self.high = self.low = self.last
        self.volume = self.turnover = self._slot_volume = 0
        self._render_trade(now)
        self.quote(at_ms, random_)

    # --- its record --------------------------------------------------------------------------------------------------
    def _render_trade(self, now: Moment) -> None:
        """Everything that changes by a trade only; a mere quote, two changes in three, leaves this text as it is."""
        last, average, before = self.last, self.average, self._previous_close
        price = last / UNITS
        self.change_percent = change = round(100 * (last - before) / before, 2) + 0.0  # never -0.0
        self.rvol = rvol_slot = None
        if average is not None:
            self.rvol = min(RVOL_MAX, round(self.volume / (average * now.day_fraction), 2))
            rvol_slot = min(RVOL_MAX, round(self._slot_volume * SLOTS_A_DAY / average, 2))
        self.score = None
        if self.volume >= SCORED_VOLUME and last >= SCORED_PRICE:
            interest = (
                12 * math.log2(1 + (self.rvol or 0.0)) + 2.5 * abs(change) + 3 * math.log10(self.volume / SCORED_VOLUME)
            )
            self.score = min(100.0, round(interest, 2))
        day = _bar(self.open, self.high, self.low, last, self.volume, self.turnover)
        minute = _bar(
            self._minute_open, self._minute_high, self._minute_low, last, self._minute_volume, self._minute_turnover
        )
        self._traded = (
            f"{self._head}{day},"
            f'"min":{{"av":{self.volume},"t":{self._minute * MINUTE_MS},"n":{self._minute_trades},{minute[1:]},'
            f'"lastTrade":{{"p":{price},"s":{self._traded_size},"t":{self._traded_ms},"x":{self._exchange_id}}},'
            f'"prevDay":{self._previous},"todaysChange":{(last - before) / UNITS},'
            f'"price":{price},"change_percent":{change},"volume_today":{self.volume},'
            f'"rvol":{_json(self.rvol)},"rvol_slot":{_json(rvol_slot)},"score":{_json(self.score)},'
            f'{self._worth}"{now.session}",'
            f'"price_from_high":{round(100 * (last - self.high) / self.high, 2) + 0.0},'
            f'"price_from_low":{round(100 * (last - self.low) / self.low, 2)},'
        )


def _bar(opened: int, high: int, low: int, closed: int, volume: int, turnover: int) -> str:
    vwap = round(turnover / volume / UNITS, 4) if volume else closed / UNITS
    return (
        f'{{"o":{opened / UNITS},"h":{high / UNITS},"l":{low / UNITS},"c":{closed / UNITS},"v":{volume},"vw":{vwap}}}'
    )


def _json(value: float | None) -> float | str:
    return "null" if value is None else value
