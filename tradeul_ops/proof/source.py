"""The market that both sides are given: one tick's records, entries and rows, made once. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from tradeul_ops.demo.market import Market
from tradeul_ops.demo.payloads import Fields, Payloads
from tradeul_ops.demo.universe import securities
from tradeul_ops.proof.scale import Scale
from tradeul_ops.proof.writers import Records

SEED = 7


@dataclass(frozen=True)
class Work:
    """`records` is every ticker's; whoever gets it changes nothing in it."""

    number: int
    at: datetime
    records: Records
    entries: dict[str, list[Fields]]
    rows: list[tuple[Any, ...]]


def works(scale: Scale, *, start: datetime) -> Iterator[Work]:
    """As many as the scale has ticks. Market time begins at `start`, whatever the clock does."""
    market = Market(SEED, securities(scale.tickers), start)
    payloads = Payloads(market, records_an_entry=scale.records_an_entry)
    records: Records = {symbol: orjson.loads(record) for symbol, record in market.records.items()}
    for _ in range(scale.ticks):
        tick = market.tick()
        records = records | {symbol: orjson.loads(record) for symbol, record in tick.changed.items()}
        yield Work(tick.number, tick.at, records, payloads.entries(tick), payloads.scan_rows(tick))
