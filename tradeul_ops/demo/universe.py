"""The securities of the demo market: real ones from `universe.json.zst`, and invented ones up to the platform's number.

Source of the real ones: NASDAQ's public screener, five days of August 2026 (see `make_universe`). Moves no price.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from string import ascii_uppercase

import zstandard

DATA = Path(__file__).with_name("universe.json.zst")
UNITS = 10_000  # money is counted in 1/10000 dollar, the finest tick there is
TICKERS = 11_900  # what the platform follows
DAYS = 5
AVERAGE_DAYS = 3  # fewer days than these make no typical volume

_NAMES = ("Alder", "Beacon", "Cobalt", "Dunmore", "Eastgate", "Fairway", "Granite", "Harbor", "Ironwood", "Juniper")
_THEMES = (
    "Short Treasury",
    "Small Cap Value",
    "Global Dividend",
    "Clean Energy",
    "High Yield",
    "Momentum",
    "Gold Miners",
)
_TRADES = ("Minerals", "Bancshares", "Resources", "Biosciences", "Holdings", "Properties", "Industries")


@dataclass(frozen=True, slots=True)
class Security:
    """`closes` in dollars and `volumes` in shares, oldest day first; the last day is the most recent one."""

    symbol: str
    name: str
    exchange: str
    sector: str | None
    market_cap: int | None
    closes: tuple[float | None, ...]
    volumes: tuple[int | None, ...]

    @property
    def price(self) -> float:
        close = self.closes[-1]
        if close is None:
            raise ValueError(f"{self.symbol} has no price")
        return close

    @property
    def volume(self) -> int:
        return self.volumes[-1] or 0

    @property
    def average_volume(self) -> int | None:
        """Of the days it traded; None where those are too few to call anything typical."""
        known = [volume for volume in self.volumes if volume]
        return round(fmean(known)) if len(known) >= AVERAGE_DAYS else None


def read(path: Path) -> tuple[Security, ...]:
    """The securities of a file that `make_universe` wrote, by symbol."""
    data = json.loads(zstandard.ZstdDecompressor().decompress(path.read_bytes()))
    columns = (data[name] for name in ("symbols", "names", "exchanges", "sectors", "market_caps", "closes"))
    days = zip(zip(*data["steps"], strict=True), zip(*data["volumes"], strict=True), strict=True)
    return tuple(
        Security(symbol, name, exchange, sector, market_cap, _closes(last, steps), volumes)
        for (symbol, name, exchange, sector, market_cap, last), (steps, volumes) in zip(
            zip(*columns, strict=True), days, strict=True
        )
    )


def _closes(last: int, steps: tuple[int | None, ...]) -> tuple[float | None, ...]:
    """Undoes the differences: a step leads from the next known price to this day's; None is a day without."""
    closes: list[float | None] = [last / UNITS]
    for step in reversed(steps):
        if step is not None:
            last += step
        closes.append(None if step is None else last / UNITS)
    return tuple(reversed(closes))


@functools.cache
def listed() -> tuple[Security, ...]:
    return read(DATA)


def securities(count: int = TICKERS) -> tuple[Security, ...]:
    """So many securities. Fewer than are listed: spread evenly over the ranking by volume, the most traded among them.
    More: the listed ones and invented ones, always the same."""
    real = listed()
    if count <= len(real):
        ranked = sorted(real, key=lambda security: (-security.volume, security.symbol))
        return tuple(ranked[number * len(real) // count] for number in range(count))
    taken = {security.symbol for security in real}
    return real + tuple(_invented(count - len(real), taken=taken))


def _invented(count: int, *, taken: Collection[str]) -> Iterator[Security]:
    """Half like exchange-traded funds, half like shares traded over the counter: few trade much, most hardly."""
    draw = random.Random("the rest of the market")
    used = set(taken)
    for number in range(count):
        fund = number % 2 == 0
        symbol = ""
        while not symbol or symbol in used:
            symbol = "".join(draw.choices(ascii_uppercase, k=4)) + ("" if fund else draw.choice("FFFFYQ"))
        used.add(symbol)
        yield _fund(symbol, draw) if fund else _over_the_counter(symbol, draw)


def _fund(symbol: str, draw: random.Random) -> Security:
    price = max(1.0, draw.lognormvariate(3.3, 0.7))
    name = f"{draw.choice(_NAMES)} {draw.choice(_THEMES)} ETF"
    closes, volumes = _days(draw, price=price, typical=draw.lognormvariate(10.2, 2.3), swing=0.008)
    return Security(symbol, name, "ARCA", None, round(price * draw.lognormvariate(15.0, 1.6)), closes, volumes)


def _over_the_counter(symbol: str, draw: random.Random) -> Security:
    price = max(0.0005, draw.lognormvariate(0.2, 2.0))
    name = f"{draw.choice(_NAMES)} {draw.choice(_TRADES)} Corp"
    closes, volumes = _days(draw, price=price, typical=draw.lognormvariate(8.6, 2.4), swing=0.04)
    return Security(symbol, name, "OTC", None, None, closes, volumes)


def _days(
    draw: random.Random, *, price: float, typical: float, swing: float
) -> tuple[tuple[float, ...], tuple[int | None, ...]]:
    closes = [price * draw.lognormvariate(0, swing) for _ in range(DAYS)]
    idle = 200 / (200 + typical)  # the thinnest do not trade every day, and some have no typical volume
    volumes = [
        None if draw.random() < idle else round(typical * draw.lognormvariate(0, 0.5)) or None for _ in range(DAYS)
    ]
    return tuple(round(close, 2 if close >= 1 else 4) or 0.0001 for close in closes), tuple(volumes)
