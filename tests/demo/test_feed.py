"""The feed against real servers: what it writes, how evenly, and that no server's absence stops the market."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library

from streams.engine.defaults import GUIDE_LIMITS
from streams.producer import StreamProducer
from timescale.models import MarketDataDaily, ScanResult, VolumeSlot
from tradeul_ops import connections
from tradeul_ops.demo.feed import CARELESS, SNAPSHOT, Feed
from tradeul_ops.demo.groups import Consumer
from tradeul_ops.demo.market import Market
from tradeul_ops.demo.payloads import RATES, SCANNED
from tradeul_ops.demo.servers import ValkeyServer, free_port
from tradeul_ops.demo.tables import weekday_before
from tradeul_ops.demo.universe import Security, listed, securities

START = datetime(2026, 8, 24, 14, 30, tzinfo=UTC)
SECURITIES = securities(300)
TENTH = 0.1

pytestmark = pytest.mark.django_db


class Run:
    """A feed and its own clock: `forward` takes it through so many seconds, in so many steps a second."""

    def __init__(
        self,
        client: redis_library.Redis,
        producer: StreamProducer,
        *,
        securities: tuple[Security, ...] = SECURITIES,
        start: datetime = START,
    ) -> None:
        self.client, self.producer = client, producer
        self.market = Market(7, securities, start)
        self.feed = Feed(self.market, securities, client, producer)
        self.now = Fraction(100)

    def forward(self, seconds: float, *, steps: int = 10) -> None:
        for _ in range(round(seconds * steps)):
            self.feed.step(float(self.now))
            self.now += Fraction(1, steps)

    @property
    def snapshot(self) -> dict[str, bytes]:
        raw: Any = self.client.hgetall(SNAPSHOT)
        return {symbol.decode(): record for symbol, record in raw.items()}


@pytest.fixture
def run(redis: redis_library.Redis) -> Iterator[Run]:
    with StreamProducer(redis, name="market") as producer:
        yield Run(redis, producer)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path / "valkey", free_port(), options={"save": ""})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_run(own_server: ValkeyServer) -> Iterator[Run]:
    client = connections.client(own_server.url)
    with StreamProducer(client, name="market") as producer:
        yield Run(client, producer)
    client.close()


def groups(client: redis_library.Redis, stream: str) -> dict[str, dict[str, Any]]:
    found: Any = client.xinfo_groups(stream)
    return {group["name"].decode(): group for group in found}


def test_one_tick_reaches_every_place(run: Run) -> None:
    """The snapshot at once, the five streams through the interval, the scan at once."""
    run.forward(5)
    assert run.snapshot == run.market.records
    assert {stream: run.client.xlen(stream) for stream in RATES} == {stream: rate * 5 for stream, rate in RATES.items()}
    row = ScanResult.objects.latest("score")
    assert (row.time, row.symbol) == (START + timedelta(seconds=5), run.market.leaders("score", 1)[0])
    assert row.metadata["rank"] == 1 and isinstance(row.filters_matched, list)


def test_later_ticks_write_what_changed_and_nothing_else(run: Run) -> None:
    run.forward(5)
    before = dict(run.market.records)
    for symbol in before:  # a mark that only a write removes
        run.client.hset(SNAPSHOT, symbol, b"mark")
    run.forward(TENTH)
    written = {symbol for symbol, record in run.snapshot.items() if record != b"mark"}
    assert written == {symbol for symbol, record in run.market.records.items() if record is not before[symbol]}
    assert 0.3 < len(written) / len(before) < 0.6
    assert 0 < run.client.ttl(SNAPSHOT) <= 3_600


def test_streams_grow_evenly(run: Run) -> None:
    run.forward(5)
    for tenth in range(1, 51):
        run.forward(TENTH)
        for stream, rate in RATES.items():
            expected = rate * (5 + tenth * TENTH)
            assert abs(run.client.xlen(stream) - expected) <= rate * TENTH + 1, (stream, tenth)


def test_one_service_writes_without_a_limit(run: Run) -> None:
    """The others send MAXLEN with each XADD, as the producer library does; this one never heard of limits."""
    run.forward(90, steps=2)
    assert run.client.xlen(CARELESS) >= RATES[CARELESS] * 89 > 3 * GUIDE_LIMITS[CARELESS].maxlen
    assert run.client.xlen("events:session") < RATES["events:session"] * 90


def test_one_group_keeps_up_and_one_falls_behind(run: Run) -> None:
    run.forward(20)
    scanner, pricing = groups(run.client, "snapshots:raw")["scanner"], groups(run.client, "tickers:filtered")["pricing"]
    assert scanner["lag"] <= RATES["snapshots:raw"] and scanner["pending"] == 0
    assert pricing["lag"] > 0.9 * 18 * RATES["tickers:filtered"] and pricing["pending"] == 0


def test_a_group_that_is_gone_is_made_again_with_a_known_lag(run: Run) -> None:
    run.forward(10)
    run.client.xtrim("tickers:filtered", maxlen=100, approximate=False)
    run.client.xgroup_destroy("tickers:filtered", "pricing")
    run.forward(TENTH * 6)
    length = run.client.xlen("tickers:filtered")
    assert groups(run.client, "tickers:filtered")["pricing"]["lag"] in range(length - 10, length + 1)


def test_a_consumer_first_ends_what_it_left_unfinished(redis: redis_library.Redis) -> None:
    redis.xgroup_create("test:stream", "group", mkstream=True)
    for number in range(10):
        redis.xadd("test:stream", {"number": number})
    redis.xreadgroup("group", "group-1", {"test:stream": ">"}, count=7)
    redis.xtrim("test:stream", maxlen=5, approximate=False)  # two of the seven are still there
    consumer = Consumer(redis, "test:stream", "group", batch=100)
    assert [consumer.work(now) for now in (0.0, 1.0, 2.0)] == [7, 0, 3]
    assert groups(redis, "test:stream")["group"]["pending"] == 0


def test_an_emptied_server_gets_the_whole_snapshot_again(run: Run) -> None:
    run.forward(5)
    run.client.flushdb()
    run.forward(5 + 2 * TENTH)
    assert run.snapshot == run.market.records


def test_a_smaller_market_leaves_no_ticker_of_a_larger_one(run: Run) -> None:
    run.client.hset(SNAPSHOT, "OLD", b"{}")
    run.forward(TENTH)
    assert run.snapshot == run.market.records


def test_a_held_up_process_skips_what_it_missed(run: Run) -> None:
    run.forward(5)
    run.now += 3_600
    run.forward(5)
    assert run.market.at == START + timedelta(seconds=3_610)
    assert run.client.xlen(CARELESS) == RATES[CARELESS] * 10


def test_redis_may_go_away(own_server: ValkeyServer, own_run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """One line when it goes, one when it is back; the market's time passes as if nothing had happened."""
    caplog.set_level(logging.INFO, "tradeul_ops.demo.feed")
    own_run.forward(5)
    own_server.stop()
    own_run.forward(12)
    own_server.start()
    own_run.forward(6)
    lines = [r.getMessage() for r in caplog.records if r.name == "tradeul_ops.demo.feed" and "Redis" in r.getMessage()]
    assert len(lines) == 2 and lines[0].startswith("Redis: ") and lines[1] == "Redis takes writes again"
    assert [r.levelname for r in caplog.records if "trying again" in r.getMessage()] == ["WARNING"]
    assert own_run.market.number == 5
    assert own_run.snapshot == own_run.market.records
    assert ScanResult.objects.values("time").distinct().count() == 5, "PostgreSQL was there all the time"


def test_redis_may_be_out_of_memory(own_run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing can be added, but what the groups owe is still read and acknowledged: only so can a stream be trimmed."""
    own_run.forward(5)
    own_run.client.config_set("maxmemory", "1mb")
    behind = groups(own_run.client, "tickers:filtered")["pricing"]["lag"]
    own_run.forward(10)
    assert [r.levelname for r in caplog.records if "trying again" in r.getMessage()] == ["WARNING"]
    assert "OOM" in caplog.text or "maxmemory" in caplog.text
    assert groups(own_run.client, "tickers:filtered")["pricing"]["lag"] < behind
    own_run.client.config_set("maxmemory", "0")
    own_run.forward(5)
    assert own_run.snapshot == own_run.market.records


def test_volume_slots_are_updated_not_repeated(run: Run) -> None:
    run.forward(60, steps=1)
    slots = VolumeSlot.objects.all()
    assert len(slots) == len(SECURITIES)
    first = VolumeSlot.objects.latest("volume_accumulated")
    assert (first.date, first.slot_number, str(first.slot_time)) == (START.date(), 174, "14:30:00")
    before = first.volume_accumulated
    run.forward(60, steps=1)
    assert VolumeSlot.objects.filter(slot_number=174).count() == len(SECURITIES)
    assert VolumeSlot.objects.get(pk=first.pk).volume_accumulated > before


def test_the_days_before_are_filled_in_once(run: Run) -> None:
    run.forward(1)
    row = MarketDataDaily.objects.filter(symbol=SECURITIES[0].symbol)
    assert [float(day.close) for day in row.order_by("trading_date")] == list(SECURITIES[0].closes)
    assert row.latest("trading_date").trading_date == weekday_before(START.date(), 1) == datetime(2026, 8, 21).date()  # noqa: DTZ001
    assert row.latest("trading_date").open is None, "the source does not say it"
    count = MarketDataDaily.objects.count()
    Run(run.client, run.producer, start=START + timedelta(minutes=1)).forward(1)
    assert MarketDataDaily.objects.count() == count > 4 * len(SECURITIES)


def test_a_day_of_the_whole_listing_fits(run: Run) -> None:
    whole = Run(run.client, run.producer, securities=listed())
    whole.forward(TENTH)
    assert MarketDataDaily.objects.count() == len(listed())
    assert ScanResult.objects.count() == SCANNED
