"""engine.limits, engine.wire, engine.ids and engine.producers: what is valid, and that the wire form loses nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import producers
from streams.engine.defaults import GUIDE_LIMITS
from streams.engine.ids import EntryId, parse_id
from streams.engine.limits import LARGEST, errors_of, with_maxlen
from streams.engine.patterns import escape
from streams.engine.rules import Rule, rule_errors
from streams.engine.wire import WireError, from_wire, to_wire
from tests.streams.factories import make_limit, make_rule

lengths = st.integers(1, LARGEST)
ages = st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=36_500))
names = st.text(min_size=1).filter(lambda name: not name.startswith(":"))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    maxlen, threshold, hard = sorted(draw(st.tuples(lengths, lengths, lengths)))
    counted = draw(st.booleans())
    protect = draw(st.booleans())
    return Rule(
        pattern=escape(draw(names)) + draw(st.sampled_from(["", "*", "?[a-f]*"])),
        priority=draw(st.integers(-1000, 1000)),
        is_ceiling=draw(st.booleans()),
        maxlen=maxlen if counted else None,
        trim_threshold=threshold if counted else None,
        max_age=draw(ages),
        max_bytes=draw(lengths if not counted else st.none() | lengths),
        trim_interval=draw(st.timedeltas(timedelta(seconds=1), timedelta(days=1))),
        approximate=draw(st.booleans()),
        protect_groups=protect,
        hard_maxlen=hard if protect else draw(st.sampled_from([None, hard])),
        ignore_groups_idle_for=draw(ages),
        enabled=draw(st.booleans()),
    )


@given(rules())
def test_a_valid_rule_survives_the_wire(rule: Rule) -> None:
    assert rule_errors(rule) == {}
    assert from_wire(to_wire(rule), key=rule.key) == rule
    assert from_wire(to_wire(rule).encode(), key=rule.key) == rule


@given(rules(), lengths)
def test_another_maxlen_leaves_a_rule_valid_and_moves_no_more_than_it_must(rule: Rule, maxlen: int) -> None:
    moved = with_maxlen(rule, maxlen=maxlen)
    assert errors_of(moved) == {}
    assert moved.maxlen == maxlen
    if rule.trim_threshold is not None and maxlen <= rule.trim_threshold:
        assert (moved.trim_threshold, moved.hard_maxlen) == (rule.trim_threshold, rule.hard_maxlen)


def test_threshold_and_ceiling_move_in_proportion() -> None:
    moved = with_maxlen(make_limit(maxlen=1000), maxlen=5000)
    assert (moved.maxlen, moved.trim_threshold, moved.hard_maxlen) == (5000, 6000, 15_000)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"maxlen": 0}, "maxlen"),
        ({"maxlen": -5}, "maxlen"),
        ({"maxlen": 2**63, "trim_threshold": 2**63, "hard_maxlen": 2**63}, "maxlen"),
        ({"maxlen": None, "trim_threshold": None}, "maxlen"),
        ({"maxlen": None, "max_age": timedelta(hours=1)}, "trim_threshold"),
        ({"trim_threshold": None}, "trim_threshold"),
        ({"trim_threshold": 999}, "trim_threshold"),
        ({"max_age": timedelta(0)}, "max_age"),
        ({"max_age": timedelta(days=36_501)}, "max_age"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"ignore_groups_idle_for": timedelta(milliseconds=1)}, "ignore_groups_idle_for"),
        ({"trim_interval": timedelta(milliseconds=999)}, "trim_interval"),
        ({"trim_interval": timedelta(days=1, microseconds=1)}, "trim_interval"),
        ({"hard_maxlen": 1199}, "hard_maxlen"),
        ({"hard_maxlen": None}, "hard_maxlen"),
        ({"priority": 1_000_001}, "priority"),
        ({"pattern": ""}, "pattern"),
        ({"pattern": ":version"}, "pattern"),
        ({"pattern": ":ceiling:orders"}, "pattern"),
        ({"pattern": "orders["}, "pattern"),
        ({"pattern": "\\orders"}, "pattern"),
    ],
)
def test_each_mistake_is_told_at_its_field(changes: dict[str, object], field: str) -> None:
    errors = rule_errors(make_rule(**changes))
    assert field in errors
    assert field in errors[field]


@pytest.mark.parametrize("bound", [{"max_age": timedelta(hours=1)}, {"max_bytes": 10_000_000}])
def test_a_limit_may_do_without_a_length(bound: dict[str, object]) -> None:
    assert rule_errors(make_rule(maxlen=1, **bound)) == {}
    assert rule_errors(Rule(pattern="orders", trim_interval=timedelta(seconds=30), hard_maxlen=3000, **bound)) == {}


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[" * 100_000,
        "[]",
        "{}",
        '{"v": 2}',
        to_wire(make_rule()).replace("1000", "0"),
        to_wire(make_rule()).replace("1000", "1000.5"),
        to_wire(make_rule()).replace("1000", '"1000"'),
        to_wire(make_rule()).replace("1000", "null"),
        to_wire(make_rule()).replace("30.0", "1e999"),
        to_wire(make_rule()).replace("30.0", "true"),
        to_wire(make_rule()).replace('"priority": 0', '"priority": null'),
        to_wire(make_rule()).replace('"maxlen"', '"maxlin"'),
    ],
)
def test_a_published_limit_that_makes_no_sense_names_its_pattern(text: str) -> None:
    with pytest.raises(WireError, match="orders"):
        from_wire(text, key="orders")


def test_fields_of_a_later_library_are_left_alone() -> None:
    later = to_wire(make_rule()).replace("{", '{"until": 60, ', 1)
    assert from_wire(later, key="orders") == make_rule()


def test_producers_carry_the_ceiling_where_groups_are_protected() -> None:
    assert make_limit(protect_groups=True).producer_maxlen == 3000
    assert make_limit(protect_groups=False).producer_maxlen == 1000
    assert make_limit(enabled=False).producer_maxlen is None


def test_the_guides_limits_are_valid() -> None:
    assert {stream: limit.maxlen for stream, limit in GUIDE_LIMITS.items()} == {
        "snapshots:raw": 1000,
        "stream:ranking:deltas": 5000,
        "stream:realtime:aggregates": 3000,
        "tickers:filtered": 500,
        "events:session": 100,
    }
    assert all(rule_errors(rule) == {} for rule in GUIDE_LIMITS.values())


ids = st.builds(EntryId, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))


@given(ids, ids)
def test_ids_compare_as_numbers_and_survive_being_written(a: EntryId, b: EntryId) -> None:
    assert parse_id(str(a)) == parse_id(str(a).encode()) == a
    assert (a < b) == ((a.ms, a.seq) < (b.ms, b.seq))


def test_an_id_without_sequence_is_the_first_of_its_millisecond() -> None:
    assert parse_id("15") == EntryId(15, 0)


@pytest.mark.parametrize("text", ["", "-", "1-", "-1", "a-1", "1-2-3", "$", b"\xff"])
def test_what_is_no_id_says_so(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="no entry id"):
        parse_id(text)


def test_a_producers_sign_of_life_survives_the_wire() -> None:
    seen = producers.ProducerSeen(
        id="polygon_ws-1",
        name="polygon_ws",
        host="h3",
        pid=17,
        version=None,
        seen_at=datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        adds=12_450,
    )
    assert producers.from_wire(producers.to_wire(seen), id="polygon_ws-1") == seen


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"name": 1}', '{"name":"a","host":"b","pid":1,"version":1,"seen_at":1e99,"adds":0}']
)
def test_a_foreign_sign_of_life_is_none(text: str) -> None:
    assert producers.from_wire(text, id="x") is None
