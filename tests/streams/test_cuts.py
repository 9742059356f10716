"""What groups lose to producers' own XADD: found between two samples, never claimed of what was read, counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis as redis_library
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import services, store
from streams.engine.cuts import cut_between
from streams.engine.ids import parse_id
from streams.engine.samples import Sample, pack_groups, sample_of, unpack_groups
from streams.engine.state import GroupState, StreamState
from streams.engine.trimming import GroupLost
from streams.models import Enforcement, Stream, StreamLimit, TrimRun
from streams.producer import StreamProducer
from streams.services.samples import take_samples
from tests.streams.factories import NOW, fill, later, make_group, make_limit, make_row, rule_of

Redis = redis_library.Redis


@pytest.fixture
def counting(redis: Redis) -> Redis:
    info: Any = redis.info("server")
    if int(info["redis_version"].split(".")[0]) < 7:
        pytest.skip("Redis 6.2 counts neither entries added nor lags")
    return redis


@pytest.fixture
def orders(counting: Redis, db: None) -> Redis:
    """A protected stream of 3,000 entries, as many as its ceiling lets stay; exact, so that numbers are."""
    StreamLimit.objects.all().delete()
    make_row("orders", approximate=False)
    Stream.objects.get_or_create(name="orders")
    fill(counting, "orders", 3000)
    return counting


def added(client: Redis, entries: int, *, after: int) -> None:
    """As the library adds them: under the ceiling."""
    limit = make_limit(approximate=False)
    with StreamProducer(client, defaults={"orders": rule_of(limit)}, trim=False) as producer:
        for n in range(entries):
            producer.xadd("orders", {"data": b"x" * 20}, id=f"{after + n + 1}-0")


def losses() -> dict[str, tuple[int | None, int]]:
    run = TrimRun.objects.get(by_others=True)
    return {name: (lost["undelivered"], lost["pending"]) for name, lost in run.losses.items()}


def test_what_a_producer_cuts_at_the_ceiling_is_on_record_with_who_lost_it(orders: Redis) -> None:
    """The abandoned group loses; the one that has read all does not."""
    make_group(orders, "orders", "abandoned", read=100, acknowledged=100)
    make_group(orders, "orders", "scanner", read=3000, acknowledged=3000)
    take_samples(now=NOW)
    added(orders, 500, after=3000)
    orders.xreadgroup("scanner", "consumer", {"orders": ">"}, count=1000, noack=True)
    take_samples(now=later(10))
    run = TrimRun.objects.get()
    assert (run.by_others, run.stream, run.trimmed, run.forced) == (True, "orders", 500, 400)
    assert losses() == {"abandoned": (400, 0)}
    assert (run.started_at, run.finished_at, run.length_after) == (NOW, later(10), 3000)
    assert "Producers' own XADD" in run.detail and "group abandoned lost 400 unread entries" in run.detail
    totals = Enforcement.objects.get()
    assert (totals.forced, totals.trims, totals.trimmed) == (400, 0, 0)


def test_a_loss_that_goes_on_is_one_row(orders: Redis) -> None:
    make_group(orders, "orders", "abandoned")
    for tick in range(4):
        take_samples(now=later(10 * tick))
        added(orders, 50, after=3000 + 50 * tick)
    take_samples(now=later(40))
    assert losses() == {"abandoned": (200, 0)}
    assert TrimRun.objects.get().finished_at == later(40)
    added(orders, 50, after=3200)
    take_samples(now=later(140))
    assert [run.trimmed for run in TrimRun.objects.order_by("id")] == [200, 50], "after a pause, another"
    assert Enforcement.objects.get().forced == 250


def test_what_this_console_trims_is_counted_once(orders: Redis) -> None:
    make_group(orders, "orders", "abandoned")
    take_samples(now=NOW)
    fill(orders, "orders", range(3001, 3501))
    services.enforce_limits(later(5))
    assert TrimRun.objects.get().losses["abandoned"]["undelivered"] == 500
    take_samples(now=later(10))
    assert not TrimRun.objects.filter(by_others=True).exists()

    fill(orders, "orders", range(3501, 3601))
    services.enforce_limits(later(35))
    added(orders, 70, after=3600)
    take_samples(now=later(40))
    assert losses() == {"abandoned": (70, 0)}
    assert Enforcement.objects.get().forced == 500 + 100 + 70


def test_what_was_pending_counts_too(orders: Redis) -> None:
    make_group(orders, "orders", "slow", read=200, acknowledged=50)
    take_samples(now=NOW)
    added(orders, 100, after=3000)
    take_samples(now=later(10))
    assert losses() == {"slow": (0, 50)}
    added(orders, 250, after=3100)
    take_samples(now=later(20))
    assert losses() == {"slow": (150, 150)}


def test_a_trim_that_was_begun_and_never_ended_makes_nothing_certain(orders: Redis) -> None:
    make_group(orders, "orders", "abandoned")
    take_samples(now=NOW)
    TrimRun.objects.create(stream="orders", started_at=NOW, finished_at=NOW, outcome="partial", length_before=3100)
    orders.xtrim("orders", maxlen=2000, approximate=False)
    take_samples(now=later(10))
    assert not TrimRun.objects.filter(by_others=True).exists()


def test_a_key_that_was_made_anew_lost_nothing(orders: Redis) -> None:
    make_group(orders, "orders", "abandoned")
    take_samples(now=NOW)
    orders.delete("orders")
    fill(orders, "orders", range(5000, 5100))
    make_group(orders, "orders", "abandoned")
    take_samples(now=later(10))
    assert not TrimRun.objects.exists()


def test_where_the_server_does_not_count_the_loss_is_unknown() -> None:
    """Redis 6.2: neither entries added nor lags. The group's place says that something went, and not how much."""
    group = GroupState("abandoned", None, 0, 1, "5-0")
    before = sample_of(
        StreamState(stream="orders", exists=True, length=10, first_id="1-0", last_id="10-0", groups=(group,)),
        previous=None,
        at=NOW,
    )
    behind = GroupState("abandoned", 10, 0, 1, "5-0")
    after = StreamState(stream="orders", exists=True, length=10, first_id="9-0", last_id="18-0", groups=(behind,))
    cut = cut_between(before, after, trimmed=0, lost={})
    assert cut is not None and cut.removed is None
    assert cut.losses == {"abandoned": GroupLost(undelivered=None)}
    assert cut_between(before, after, trimmed=3, lost={}) is None, "who took what can't be told apart"


def test_missed_entries_survive_packing() -> None:
    group = GroupState("a", 3, 0, 1, "5-0", 7)
    state = StreamState(stream="orders", exists=True, length=3, first_id="6-0", last_id="8-0", groups=(group,))
    packed = pack_groups(sample_of(state, previous=None, at=NOW).groups)
    assert unpack_groups(packed)[0].missed == 7
    assert unpack_groups([packed[0][:6]])[0].missed is None, "as rows of before have it"


# --- any order of adds, reads, cuts and samples ----------------------------------------------------------------------


@dataclass
class Reader:
    delivered: int = 0
    moved: bool = False
    lost: set[int] = field(default_factory=set)


class Model:
    def __init__(self, client: Redis) -> None:
        self.client, self.last = client, 0
        client.delete("test:cuts")
        self.readers: dict[str, Reader] = {}
        self.own: Counter[str] = Counter()
        self.trimmed = 0
        self.before: Sample | None = None

    def add(self, _: str, amount: int) -> None:
        fill(self.client, "test:cuts", range(self.last + 1, self.last + amount + 2))
        self.last += amount + 1

    def create(self, name: str, _: int) -> None:
        if name not in self.readers:
            self.client.xgroup_create("test:cuts", name, "0", mkstream=True)
            self.readers[name] = Reader()

    def read(self, name: str, amount: int) -> None:
        if name in self.readers and amount:
            given = self.client.xreadgroup(name, "c", {"test:cuts": ">"}, count=amount, noack=True)
            if given:
                self.readers[name].delivered = parse_id(given[0][1][-1][0]).ms
                self.readers[name].moved = True

    def cut(self, name: str, amount: int) -> None:
        """By others, or for the name "a" by this console, which knows what groups lost by it."""
        there = [parse_id(id).ms for id, _ in self.client.xrange("test:cuts", count=amount + 1)]
        self.client.xtrim("test:cuts", minid=f"{there[-1] + 1}-0", approximate=False) if there else None
        self.trimmed += len(there) if name == "a" else 0
        for other, reader in self.readers.items():
            unread = {n for n in there if n > reader.delivered}
            if name == "a":
                self.own[other] += len(unread)
            else:
                reader.lost |= unread

    def sample(self, _: str, __: int) -> None:
        state = store.read_states(self.client, ["test:cuts"])["test:cuts"]
        assert isinstance(state, StreamState)
        if self.before is not None:
            own = {name: GroupLost(undelivered=count) for name, count in self.own.items()}
            cut = cut_between(self.before, state, trimmed=self.trimmed, lost=own)
            told = cut.losses if cut else {}
            seen = {group.name for group in self.before.groups}
            for name in seen:
                reader = self.readers[name]
                said = told.get(name, GroupLost()).undelivered
                assert said is not None, "this server counts"
                assert said <= len(reader.lost), (name, said, reader)
                assert reader.moved or said == len(reader.lost), (name, said, reader)
        self.before = sample_of(state, previous=self.before, at=NOW)
        self.own.clear()
        self.trimmed = 0
        for reader in self.readers.values():
            reader.lost, reader.moved = set(), False


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "create", "read", "read", "cut", "sample", "sample"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 30),
    ),
    min_size=5,
    max_size=40,
)


@pytest.fixture
def server(counting: Redis) -> Iterator[Any]:
    yield counting
    counting.delete("test:cuts")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_no_more_is_claimed_than_was_lost_and_of_those_that_stood_still_no_less(
    server: Redis, steps: list[tuple[str, str, int]]
) -> None:
    model = Model(server)
    model.add("", 9)
    model.sample("", 0)
    for kind, name, amount in steps:
        getattr(model, kind)(name, amount)
    model.sample("", 0)
