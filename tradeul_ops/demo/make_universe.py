"""Packs a folder of daily quote files into `universe.json.zst`: python -m tradeul_ops.demo.make_universe FOLDER.

The folder holds one `YYYY-MM-DD.json.zst` a trading day, each a JSON array of what NASDAQ's public screener says of
every listed security (collected nightly by github.com/rreichel3/US-Stock-Symbols, plus `exchange`). Run by hand only.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import zstandard

from tradeul_ops.demo.universe import DATA, DAYS, UNITS

NAME_LENGTH = 36
# What follows the issuer's own name: "… Class A Ordinary Shares", "… 6.50% Series B Cumulative Preferred".
_KIND = re.compile(
    r"\s+(?:Class [A-Z]\b|Common\b|Ordinary\b|American Dep|Depositary\b|Warrants?\b|Units?\b|Rights?\b|Series\b"
    r"|Subordinate|Preferred\b|Each\b|Cumulative\b|Shares?\b|\(|[\d.]+%)"
)


def read_day(path: Path) -> dict[str, dict[str, str]]:
    """The day's rows by symbol. The source pads a few symbols with spaces; one security is really called NA."""
    rows = json.loads(zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read())
    return {row["symbol"].strip(): row for row in rows}


def units(text: str) -> int | None:
    """Dollars as the source writes them ("$1,234.50") in 1/10000 dollar; None for empty, NA and zero."""
    value = _number(text)
    return round(value * UNITS) or None if value is not None else None


def count(text: str, *, digits: int | None = None) -> int | None:
    """A whole number, rounded to so many significant digits; None for empty, NA and zero."""
    value = _number(text)
    if not value:
        return None
    return int(value) if digits is None else int(float(f"{value:.{digits}g}"))


def _number(text: str) -> float | None:
    try:
        return float(text.replace("$", "").replace(",", ""))
    except ValueError:
        return None


def short_name(name: str) -> str:
    return _KIND.split(name, maxsplit=1)[0][:NAME_LENGTH].rstrip(" ,.-")


def pack(days: Sequence[Mapping[str, Mapping[str, str]]]) -> dict[str, object]:
    """Columns for every security that has a price on the last day; oldest day first.

    Exact are the prices and the last day's volume. Earlier volumes keep 4 significant digits, market values 5: that
    takes a fifth off the file.
    """
    last = days[-1]
    symbols = sorted(symbol for symbol, row in last.items() if units(row["lastsale"]))
    closes = [[units(day[symbol]["lastsale"]) if symbol in day else None for symbol in symbols] for day in days]
    exact_day = len(days) - 1
    return {
        "source": "NASDAQ's public screener",
        "symbols": symbols,
        "names": [short_name(last[symbol]["name"]) for symbol in symbols],
        "exchanges": [last[symbol]["exchange"] for symbol in symbols],
        "sectors": [last[symbol]["sector"] or None for symbol in symbols],
        "market_caps": [count(last[symbol]["marketCap"], digits=5) for symbol in symbols],
        "closes": closes[-1],
        # Each earlier day as its difference from the next known price: a third of the size of the prices themselves.
        "steps": _steps(closes),
        "volumes": [
            [
                count(day[symbol]["volume"], digits=None if number == exact_day else 4) if symbol in day else None
                for symbol in symbols
            ]
            for number, day in enumerate(days)
        ],
    }


def _steps(closes: Sequence[Sequence[int | None]]) -> list[list[int | None]]:
    later = list(closes[-1])
    steps: list[list[int | None]] = []
    for day in reversed(closes[:-1]):
        steps.append([a - b if a is not None and b is not None else None for a, b in zip(day, later, strict=True)])
        later = [b if a is None else a for a, b in zip(day, later, strict=True)]
    return steps[::-1]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", type=Path, default=DATA)
    options = parser.parse_args(arguments)
    files = sorted(options.folder.glob("????-??-??.json.zst"))
    if len(files) < DAYS:
        parser.error(f"{options.folder} holds {len(files)} files called YYYY-MM-DD.json.zst; {DAYS} are wanted.")
    document = json.dumps(pack([read_day(file) for file in files[-DAYS:]]), separators=(",", ":")).encode()
    options.to.write_bytes(zstandard.ZstdCompressor(level=22).compress(document))


if __name__ == "__main__":
    main(sys.argv[1:])
