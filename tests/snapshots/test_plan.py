"""When a full is built and why, and which small moves wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from snapshots.engine.build import encode, prepare
from snapshots.engine.delta import EXACT, Thresholds
from snapshots.engine.plan import Options
from snapshots.engine.state import to_records
from tests.snapshots import generators
from tests.snapshots.chains import build, flat


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"broken": "the last write failed"}, "the last write failed"),
        ({"now_ms": 300_000}, "the last full is 300 s and 0 deltas old"),
        ({"options": Options(max_chain=1), "ticks": 1}, "the last full is 0 s and 1 deltas old"),
        ({"records": {"A": {"price": 1, "halted": True}}}, "new field halted"),
        ({"thresholds": Thresholds(price=0.1)}, "the profile changed from exact to price 0.1"),
    ],
)
def test_why_a_full_is_built(how: dict[str, Any], reason: str) -> None:
    first = build(None, {"A": {"price": 1}})
    for _ in range(how.pop("ticks", 0)):
        first = build(first.published, {"A": {"price": 1}})
    records = how.pop("records", {"A": {"price": 2}})
    built = build(first.published, records, new_epoch="e2", **how)
    assert (built.kind, built.reason) == ("full", reason)
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


def test_thresholds_compare_with_what_was_published_last_so_errors_never_add_up() -> None:
    thresholds = Thresholds(price=0.01)
    built = build(None, {"A": {"price": 100.0}}, thresholds=thresholds)
    held = 0
    for step in range(1, 40):
        source = 100 + step * 0.3
        built = build(built.published, {"A": {"price": source}}, thresholds=thresholds)
        held += built.held
        seen = to_records(built.published.state)["A"]["price"]
        assert abs(source - seen) <= 0.01 * seen
    assert held > 20
    assert built.published.profile == "price 0.01"
    exactly = build(built.published, {"A": {"price": 111.8}}, now_ms=300_000, thresholds=thresholds)
    assert to_records(exactly.published.state) == {"A": {"price": 111.8}}


@pytest.mark.parametrize(
    ("old", "new", "held"),
    [
        ({"price": 100, "n": 1}, {"price": 100.5, "n": 2}, True),
        ({"price": 100, "n": 1}, {"price": 102, "n": 1}, False),
        ({"price": 100, "rvol": 1}, {"price": 100, "rvol": 1.001}, False),  # no threshold for rvol was given
        ({"price": 100, "halted": False}, {"price": 100, "halted": True}, False),
        ({"price": None}, {"price": 100}, False),
        ({"price": 0}, {"price": 0.0001}, False),
    ],
)
def test_only_small_moves_of_numbers_wait(old: dict[str, Any], new: dict[str, Any], held: bool) -> None:
    thresholds = Thresholds(price=0.01)
    built = build(build(None, {"A": old}, thresholds=thresholds).published, {"A": new}, thresholds=thresholds)
    assert built.held == held
    assert EXACT.profile == "exact"


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
