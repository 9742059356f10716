"""engine.rules and engine.changes: which limit holds for a stream, and what an edit of one moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.changes import ChangePreview, stream_changes
from streams.engine.limits import errors_of
from streams.engine.rules import TIGHTENED, Rule, Rules, rivals
from tests.streams.factories import make_rule
from tests.streams.test_limits import rules as any_rules


def winner(*rules: Rule, stream: str = "stream:orders:new") -> str | None:
    own = Rules(rules).effective(stream).own
    return own.pattern if own else None


def test_of_several_the_highest_priority_holds_then_exact_then_the_longest_prefix() -> None:
    """What RabbitMQ's operators know of its policies, with the ties settled."""
    exact, long, short = make_rule("stream:orders:new"), make_rule("stream:orders:*"), make_rule("stream:*")
    assert winner(short, long, exact) == "stream:orders:new"
    assert winner(short, long) == "stream:orders:*"
    assert winner(short, long, replace(short, pattern="*", priority=1)) == "*"
    assert winner(make_rule("other")) is None


def test_what_is_switched_off_yields_and_comes_last() -> None:
    off, glob = make_rule("stream:orders:new", enabled=False), make_rule("stream:*")
    assert winner(off, glob) == "stream:*"
    effective = Rules([off]).effective("stream:orders:new")
    assert effective.limit is not None and not effective.limit.enabled, "it is off, not unknown"
    assert [rule.pattern for rule in Rules([off, glob]).effective("stream:orders:new").lost] == ["stream:orders:new"]


@given(any_rules().filter(lambda rule: not rule.is_ceiling and rule.enabled), st.lists(any_rules(), max_size=3))
def test_a_ceiling_only_tightens_and_leaves_a_limit_valid(own: Rule, others: list[Rule]) -> None:
    own = replace(own, pattern="orders")
    ceilings = [
        replace(rule, pattern=f"o{'r' * (number > 0)}*{number * 'd'}*", is_ceiling=True, enabled=True)
        for number, rule in enumerate(others)
    ]
    effective = Rules([own, *ceilings]).effective("orders")
    assert effective.limit is not None
    assert errors_of(effective.limit) == {}
    for name in TIGHTENED:
        mine, after = getattr(own, name), getattr(effective.limit, name)
        assert mine is None or after is None or after <= mine
        for ceiling in effective.ceilings:
            most = getattr(ceiling, name)
            assert most is None or (after is not None and after <= most)


def test_a_ceiling_alone_bounds_too() -> None:
    effective = Rules([make_rule("*", maxlen=50_000, is_ceiling=True)]).effective("anything")
    assert effective.limit is not None and effective.limit.maxlen == 50_000
    assert effective.own is None


def test_it_is_said_which_ceiling_tightened_what() -> None:
    low = make_rule("o*", maxlen=400, is_ceiling=True)
    effective = Rules([make_rule("orders", protect_groups=False), low]).effective("orders")
    assert effective.limit is not None and effective.limit.maxlen == 400
    assert effective.tightened["maxlen"] == low


def test_two_patterns_of_one_priority_over_one_stream_are_told() -> None:
    first, second = make_rule("stream:*"), make_rule("*:orders")
    assert rivals(first, [first, second], streams=["stream:orders", "stream:x"]) == {"stream:orders": second}
    assert rivals(first, [first, replace(second, priority=1)], streams=["stream:orders"]) == {}
    assert rivals(first, [first, make_rule("stream:orders")], streams=["stream:orders"]) == {}


def test_an_edit_of_a_pattern_moves_the_streams_that_it_wins() -> None:
    before = Rules([make_rule("stream:*"), make_rule("stream:own", maxlen=5)])
    after = Rules([make_rule("stream:*", maxlen=500), make_rule("stream:own", maxlen=5)])
    changes = stream_changes(before, after, streams=["stream:a", "stream:b", "stream:own", "x"])
    assert [(change.stream, change.changes_limit, change.changes_winner) for change in changes] == [
        ("stream:a", True, False),
        ("stream:b", True, False),
    ]


def test_the_sentence_of_a_pattern_names_matches_and_new_winners() -> None:
    before = Rules([make_rule("stream:*")])
    after = Rules([make_rule("stream:*"), make_rule("stream:b*", priority=5)])
    changes = stream_changes(before, after, streams=["stream:a", "stream:b"])
    said = ChangePreview(matched=("stream:b",), entries=1200, bytes=2_000_000, changes=changes, is_glob=True).sentence
    assert said == (
        "Matches 1 stream with 1,200 entries, about 2.0 MB. Another limit wins for stream:b (stream:* → stream:b*)."
    )


def test_where_no_limit_is_left_no_other_is_said_to_win() -> None:
    changes = stream_changes(Rules([make_rule("orders")]), Rules([]), streams=["orders"])
    said = ChangePreview(matched=("orders",), entries=None, bytes=None, changes=changes).sentence
    assert said == "orders grows from then on: no limit is left for it."


@pytest.mark.parametrize("field", ["maxlen", "trim_threshold", "hard_maxlen"])
def test_every_field_of_a_rule_reaches_the_limit(field: str) -> None:
    rule = make_rule(max_age=timedelta(hours=1), max_bytes=5, ignore_groups_idle_for=timedelta(hours=2))
    limit = rule.limit_of("orders")
    assert getattr(limit, field) == getattr(rule, field)
    assert (limit.max_age, limit.max_bytes) == (rule.max_age, rule.max_bytes)
    assert limit.ignore_groups_idle_for == rule.ignore_groups_idle_for
