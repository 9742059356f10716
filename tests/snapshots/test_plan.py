"""When a full is built and why, and which small moves wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshots.engine import codec
from snapshots.engine.build import encode, prepare
from snapshots.engine.plan import Break, Cause, Options
from snapshots.engine.state import to_records
from snapshots.engine.thresholds import EXACT, GUIDE, Threshold, Thresholds, guide, thresholds_of
from tests.snapshots import generators
from tests.snapshots.chains import build, flat, follow


def rules(*lines: str) -> Thresholds:
    return thresholds_of(lines)


@pytest.mark.parametrize(
    ("how", "cause", "reason"),
    [
        ({"broken": Break(Cause.GAP, "a gap")}, Cause.GAP, "a gap"),
        ({"now_ms": 300_000}, Cause.INTERVAL, "the last full is 300 s and 0 deltas old"),
        ({"options": Options(max_chain=1), "ticks": 1}, Cause.INTERVAL, "the last full is 0 s and 1 deltas old"),
        ({"records": {"A": {"price": 1, "halted": True}}}, Cause.SCHEMA, "new field halted"),
        ({"forced": True}, Cause.FORCED, "a full was asked for"),
        ({"thresholds": rules("price 10%")}, Cause.PROFILE, "the profile changed from exact to price 10%"),
    ],
)
def test_why_a_full_is_built(how: dict[str, Any], cause: Cause, reason: str) -> None:
    first = build(None, {"A": {"price": 1}})
    for _ in range(how.pop("ticks", 0)):
        first = build(first.published, {"A": {"price": 1}})
    records = how.pop("records", {"A": {"price": 2}})
    built = build(first.published, records, new_epoch="e2", **how)
    assert (built.kind, built.cause, built.reason) == ("full", cause, reason)
    fresh = "broken" in how or "thresholds" in how
    assert (built.published.epoch, built.published.sequence) == (
        ("e2", 1) if fresh else ("e1", first.published.sequence + 1)
    )


def test_a_delta_almost_as_large_as_the_full_becomes_a_full() -> None:
    before = generators.market(1, tickers=3000)
    first = build(None, before)
    assert first.full is not None
    options = Options(max_delta_ratio=0.05)
    prepared = prepare(
        first.published,
        name="test",
        new_epoch="e1",
        upserts=flat(generators.tick(before, 2, share=1)),
        removals=(),
        now_ms=1,
        options=options,
    )
    built = encode(prepared, options=options, full_bytes=len(first.full.stored))
    assert built.kind == "full"
    assert built.reason.endswith("of the last full's bytes")
    assert built.delta is None
    assert built.cause == Cause.SIZE


def test_a_delta_that_cannot_be_made_becomes_a_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with the encoding of differences: readers get the state all the same."""
    first = build(None, {"A": {"price": 1}, "B": {"price": 2}})

    def broken(*_: Any, **__: Any) -> bytes:
        raise IndexError("a bug")

    monkeypatch.setattr(codec, "encode_delta", broken)
    for now_ms in (1, 300_000):
        built = build(first.published, {"A": {"price": 3}}, now_ms=now_ms)
        assert (built.kind, built.cause, built.delta) == ("full", Cause.DELTA_FAILED, None)
        assert built.reason == "the delta could not be made: IndexError('a bug')"
        assert follow(None, built) == built.published
        assert to_records(built.published.state) == {"A": {"price": 3}}


def test_thresholds_compare_with_what_was_published_last_so_errors_never_add_up() -> None:
    thresholds = rules("price 1%")
    built = build(None, {"A": {"price": 100.0}}, thresholds=thresholds)
    held = 0
    for step in range(1, 40):
        source = 100 + step * 0.3
        built = build(built.published, {"A": {"price": source}}, thresholds=thresholds)
        held += len(built.held)
        seen = to_records(built.published.state)["A"]["price"]
        assert abs(source - seen) <= 0.01 * seen
    assert held > 20
    assert built.published.profile == "price 1%"
    exactly = build(built.published, {"A": {"price": 111.8}}, now_ms=300_000, thresholds=thresholds)
    assert to_records(exactly.published.state) == {"A": {"price": 111.8}}


@pytest.mark.parametrize(
    ("text", "old", "new", "held"),
    [
        ("price 1%; * wait", {"price": 100, "n": 1}, {"price": 101, "n": 2}, True),
        ("price 1%; * wait", {"price": 100, "n": 1}, {"price": 101.01, "n": 1}, False),
        ("price 1%; * wait", {"price": -100}, {"price": -99.5}, True),
        ("price 1%; * wait", {"price": 100, "rvol": 1}, {"price": 100, "rvol": 9}, True),
        ("price 1%; rvol 0; * wait", {"price": 100, "rvol": 1}, {"price": 100, "rvol": 1.001}, False),
        ("price 1%", {"price": 100, "n": 1}, {"price": 100, "n": 2}, False),  # a field without a rule
        ("price 1%; * 10%", {"price": 100, "n": 10}, {"price": 100, "n": 11}, True),
        ("price 1%; * 10%", {"price": 100, "n": 10}, {"price": 100, "n": 11.1}, False),
        ("change 0.5; * wait", {"change": 0}, {"change": 0.5}, True),
        ("change 0.5; * wait", {"change": 0}, {"change": -0.51}, False),
        ("day.v 10%", {"day": {"v": 10}}, {"day": {"v": 11}}, True),
        ("* wait", {"halted": False}, {"halted": True}, False),  # only numbers wait by *
        ("* wait", {"n": None}, {"n": 100}, False),
        ("* wait", {"n": 2**60}, {"n": 2**60 + 1}, True),  # a number, though no double is as exact
        ("n 10", {"n": 2**60}, {"n": 2**60 + 2**20}, False),
        ("* wait", {"n": 2**60}, {"n": None}, False),
        ("* wait", {"n": 1}, {}, False),
        ("at wait; * wait", {"at": "12:00:00", "n": 1}, {"at": "12:00:05", "n": 2}, True),
        ("price 1%", {"price": 0}, {"price": 0.0001}, False),
    ],
)
def test_which_changes_wait(text: str, old: dict[str, Any], new: dict[str, Any], held: bool) -> None:
    thresholds = rules(*text.split("; "))
    first = build(None, {"A": old, "B": {**old, "n": 0}}, thresholds=thresholds).published
    built = build(first, {"A": new, "B": {**old, "n": 0}}, thresholds=thresholds)
    assert (built.kind, built.held, built.updated) == ("delta", ["A"] * held, not held)
    assert to_records(built.published.state)["A"] == (old if held else new)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_published_number_is_further_off_than_its_threshold(data: st.DataObject) -> None:
    """However long the chain: the error is bounded at every tick, and gone at every full."""
    limits = {"price": (0.01, 0.0), "change": (0.0, 0.5), "volume": (0.1, 0.0)}
    thresholds = rules("price 1%", "change 0.5", "volume 10%", "* wait")
    number = st.integers(-500, 20_000).map(lambda n: n / 100)
    steps = st.integers(-40, 40).map(lambda n: n / 100)
    records = {symbol: {name: data.draw(number) for name in (*limits, "other")} for symbol in "AB"}
    published = None
    for tick in range(data.draw(st.integers(1, 12))):
        full = data.draw(st.integers(0, 9)) == 0
        built = build(published, records, now_ms=tick * 5_000 + (300_000 * tick if full else 0), thresholds=thresholds)
        published = built.published
        seen = to_records(published.state)
        if built.kind == "full":
            assert seen == records
        for symbol, record in records.items():
            for name, (share, points) in limits.items():
                off = abs(record[name] - seen[symbol][name])
                assert off <= max(share * abs(seen[symbol][name]), points) + 1e-12
            assert seen[symbol] == record or built.held
        records = {
            symbol: {name: round(value + data.draw(steps), 2) for name, value in record.items()}
            for symbol, record in records.items()
        }


def test_rules_are_read_as_they_are_written() -> None:
    text = (
        "price 0.1%, current_price 0.1%, rvol 5%, score 0, volume_today 10%, change_percent 0.5, timestamp wait, * wait"
    )
    assert GUIDE.profile == text
    assert thresholds_of(text.split(", ")) == GUIDE
    assert (guide(0.02, None).of("price"), guide(0.02, None).of("rvol")) == (Threshold(share=0.02), Threshold())
    assert EXACT.profile == "exact" and EXACT.exact
    assert rules("a b  1.50%", "", "price 1%", "price 2%").profile == "a b 1.5%, price 2%"
    assert rules("\\..x 0.000000001").profile == "\\..x 0.000000001"
    for wrong in (
        "price",
        "price %",
        "price -1%",
        "price 1 %",
        "price nan",
        "a,b 1%",
        "price 1e3",
        " price 1%",
        "% 1%%",
    ):
        with pytest.raises(ValueError, match="is no rule"):
            rules(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"full_interval": timedelta(0)},
        {"compression_level": 20},
        {"compression_threshold": -1},
        {"max_delta_ratio": 0},
        {"max_chain": 0},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Options(**wrong)
