"""`manage.py market`: the demo's market, until SIGTERM or Ctrl-C. Holds no decision; see demo.feed."""

from __future__ import annotations

import argparse
import gc
import signal
import threading
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand

from streams.producer import StreamProducer
from tradeul_ops.connections import data_redis
from tradeul_ops.demo.feed import Feed
from tradeul_ops.demo.market import TICK, Market
from tradeul_ops.demo.universe import TICKERS, securities

FEWEST = 50  # in a smaller market there are ticks in which nothing at all happens


def _tickers(text: str) -> int:
    if not text.isdigit() or not FEWEST <= int(text) <= TICKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {FEWEST} to {TICKERS:,}")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.01 <= speed <= 20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0.01 to 20")
    return speed


class Command(BaseCommand):
    help = (
        "Simulates the market: a snapshot of all tickers each 5 seconds, five streams, two consumer groups and scan "
        "results. For demonstrations only: it overwrites the snapshot in Redis and adds rows to scan_results."
    )

    requires_system_checks = ()  # it serves no page, and starts in half the time

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=7, help="another seed, another market (default: 7)")
        parser.add_argument("--tickers", type=_tickers, default=TICKERS, help=f"how many (default: {TICKERS})")
        parser.add_argument("--speed", type=_speed, default=1.0, help="2: a tick each 2.5 seconds (default: 1)")

    def handle(self, *, seed: int, tickers: int, speed: float, **_: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        traded = securities(tickers)
        market = Market(seed, traded, datetime.now(UTC) - TICK)  # so that its first tick is now
        gc.freeze()  # the market lives as long as the process: no collection needs to walk it
        client = data_redis()
        with StreamProducer(client, name="market") as producer:
            Feed(market, traded, client, producer, speed=speed).run(stop)
