"""`manage.py streams trim`: enforced now and to the end, and said where it could not be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import redis as redis_library

from streams import store
from streams.engine.trimming import Trimming
from streams.models import Stream, TrimRun
from streams.services import on_demand
from tests.streams.command_line import refused, run, state_of
from tests.streams.factories import fill, make_group, make_row
from tradeul_ops.runs import Outcome

Redis = redis_library.Redis

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def test_trim_enforces_now_and_prints_what_was_recorded(redis: Redis) -> None:
    for name in ("orders", "trades"):
        make_row(name, due_at=datetime(2100, 1, 1, tzinfo=UTC))
        fill(redis, name, 1150)
    code, printed = run("trim", "orders")
    assert code == 0
    recorded = TrimRun.objects.get()
    assert printed == f"orders: {recorded.detail}\n"
    assert (redis.xlen("orders"), redis.xlen("trades")) == (1150 - recorded.trimmed, 1150)
    assert redis.xlen("orders") <= 1099


def test_trim_all_leaves_limits_alone_that_are_switched_off(redis: Redis) -> None:
    for name in ("a", "b", "off"):
        make_row(name, enabled=name != "off")
        fill(redis, name, 5000)
    code, printed = run("trim", "--all", "--json")
    assert code == 0
    reports = json.loads(printed)
    assert [(report["stream"], report["settled"]) for report in reports] == [("a", True), ("b", True)]
    [recorded] = reports[0]["runs"]
    assert recorded["length_before"] == 5000
    assert recorded["length_after"] == redis.xlen("a") == 5000 - recorded["trimmed"]
    assert (recorded["outcome"], recorded["detail"]) == ("done", reports[0]["why"])
    assert redis.xlen("off") == 5000


def test_trim_refuses_streams_without_a_limit_and_trims_none(redis: Redis) -> None:
    make_row("orders")
    fill(redis, "orders", 5000)
    error, _ = refused("trim", "orders", "oders", "trade")
    assert (error.returncode, str(error)) == (1, "No limit is for: oders, trade.")
    assert redis.xlen("orders") == 5000
    assert "oders" in str(refused("plan", "oders")[0])
    assert "one of the arguments" in str(refused("trim")[0])
    assert "not allowed with" in str(refused("trim", "orders", "--all")[0])


def test_trim_dry_run_is_the_plan(redis: Redis) -> None:
    make_row("orders")
    make_row("off", enabled=False)
    fill(redis, "orders", 5000)
    before = state_of(redis)
    assert run("trim", "--all", "--dry-run") == (0, "orders: Trim to 1,000: at most 4,000 of 5,000 entries go.\n")
    assert run("trim", "orders", "--dry-run", "--json") == run("plan", "orders", "--json")
    assert state_of(redis) == before


def test_what_a_group_holds_is_said_and_is_as_its_limit_wants_it(redis: Redis) -> None:
    make_row("orders")
    make_row("exact", approximate=False)
    fill(redis, "orders", 2000)
    fill(redis, "exact", 900)
    make_group(redis, "orders", "pricing")
    assert run("trim", "--all") == (
        0,
        "exact: Nothing to trim: 900 entries are within the limit.\n"
        "orders: Nothing went: group pricing still needs the oldest entries, 1,000 above maxlen.\n",
    )


def test_less_than_a_node_is_nothing_to_trim(redis: Redis) -> None:
    make_row("orders")
    fill(redis, "orders", 1050)
    assert run("trim", "orders") == (0, "orders: Nothing went: 50 entries above maxlen are less than one node.\n")


def test_what_could_not_be_trimmed_is_exit_code_1(redis: Redis) -> None:
    """And costs the others nothing."""
    make_row("a", enabled=False)
    make_row("b")
    make_row("test:string")
    redis.set("test:string", "x")
    fill(redis, "b", 5000)
    code, printed = run("trim", "a", "test:string", "b")
    assert code == 1
    off, no_stream, trimmed = printed.splitlines()
    assert off == "a: Nothing to trim: its limit is switched off."
    assert "is no stream" in no_stream
    assert trimmed.startswith("b: Trimmed ")
    assert run("trim", "test:string")[0] == 1, "a failure that was only prolonged is one all the same"
    assert run("trim", "b")[0] == 0


def test_a_trim_longer_than_a_sweep_goes_on_to_its_end(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    make_row("orders")
    fill(redis, "orders", 5000)
    real = store.trim

    def one_bite(client: Redis, trimmings: Sequence[Trimming], *, until: float) -> None:
        (trimming,) = trimmings
        left = max(1000, trimming.length - 1500)
        trimming.take([client.xtrim("orders", maxlen=left, approximate=False), 0, left, b"", b"", [], None])
        if left == 1000:
            real(client, trimmings, until=until)

    monkeypatch.setattr(store, "trim", one_bite)
    code, printed = run("trim", "orders", "--json")
    assert code == 0
    [report] = json.loads(printed)
    assert [recorded["outcome"] for recorded in report["runs"]] == ["partial", "partial", "done"]
    assert (report["trimmed"], redis.xlen("orders")) == (4000, 1000)


def test_a_trim_that_gets_nowhere_stops(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Producers add as fast as it removes."""
    make_row("orders")
    fill(redis, "orders", 5000)

    def refilled(client: Redis, trimmings: Sequence[Trimming], *, until: float) -> None:
        trimmings[0].take([1000, 0, 5000, b"", b"", [], None])

    monkeypatch.setattr(store, "trim", refilled)
    code, printed = run("trim", "orders")
    assert code == 1
    assert printed.endswith("Stopped before its end.\n")
    assert TrimRun.objects.get().outcome == Outcome.PARTIAL


def test_what_was_trimmed_before_redis_went_away_is_printed(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        make_row(name)
        fill(redis, name, 5000)
    real = store.trim

    def fails_in_b(client: Redis, trimmings: Sequence[Trimming], *, until: float) -> None:
        if trimmings[0].trim.stream == "b":
            raise store.StoreUnavailable("Redis does not answer: gone")
        real(client, trimmings, until=until)

    monkeypatch.setattr(store, "trim", fails_in_b)
    error, printed = refused("trim", "--all", "--json")
    assert (error.returncode, str(error)) == (2, "Redis does not answer: gone")
    [report] = json.loads(printed)
    assert report["stream"] == "a"


def test_a_limit_that_is_deleted_meanwhile_is_said(redis: Redis) -> None:
    report = on_demand.trim_stream("orders", now=datetime.now(UTC))
    assert (report.settled, report.why) == (False, "Its limit was deleted meanwhile.")


def test_a_trim_takes_no_more_than_the_plan_said(redis: Redis) -> None:
    """Whatever groups there are, and where the server's own lag is wrong: it counts entries that are gone."""
    for number, (read, acknowledged, approximate) in enumerate(
        (*((read, read // 2, True) for read in (0, 1, 2500, 4500, 5000)), (4500, 4500, False), (4990, 4400, False))
    ):
        stream = f"orders {number}"
        make_row(stream, approximate=approximate)
        fill(redis, stream, 5000)
        make_group(redis, stream, "pricing", read=read, acknowledged=acknowledged)
    make_row("trimmed unread")
    fill(redis, "trimmed unread", 1000)
    make_group(redis, "trimmed unread", "pricing")
    redis.xtrim("trimmed unread", maxlen=10, approximate=False)
    redis.xreadgroup("pricing", "consumer", {"trimmed unread": ">"}, count=5, noack=True)
    fill(redis, "trimmed unread", range(2001, 6001))
    said = {plan["stream"]: plan for plan in json.loads(run("plan", "--json")[1])}
    done = json.loads(run("trim", "--all", "--json")[1])
    assert len(done) == 8
    for report in done:
        plan = said[report["stream"]]
        assert report["trimmed"] <= plan["at_most"]
        assert sum(recorded["forced"] for recorded in report["runs"]) <= plan["above_ceiling"]
        held_by = Stream.objects.get(name=report["stream"]).held_by
        assert not held_by or held_by in {group["name"] for group in plan["holders"]}
    assert {report["trimmed"] for report in done} >= {4000}
