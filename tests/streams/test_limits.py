"""engine.limits, engine.ids and engine.producers: what is valid, and that the wire form loses nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import producers
from streams.engine.defaults import GUIDE_LIMITS
from streams.engine.ids import EntryId, parse_id
from streams.engine.limits import LARGEST, Limit, WireError, errors_of, from_wire, limit_errors, to_wire, with_maxlen
from tests.streams.factories import make_limit

lengths = st.integers(1, LARGEST)


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    maxlen, threshold, hard = sorted(draw(st.tuples(lengths, lengths, lengths)))
    protect = draw(st.booleans())
    return Limit(
        stream=draw(st.text(min_size=1).filter(lambda name: name != ":version")),
        maxlen=maxlen,
        trim_threshold=threshold,
        trim_interval=draw(st.timedeltas(timedelta(seconds=1), timedelta(days=1))),
        approximate=draw(st.booleans()),
        protect_groups=protect,
        hard_maxlen=hard if protect else draw(st.sampled_from([None, hard])),
        enabled=draw(st.booleans()),
    )


@given(limits())
def test_a_valid_limit_survives_the_wire(limit: Limit) -> None:
    assert errors_of(limit) == {}
    assert from_wire(to_wire(limit), stream=limit.stream) == limit
    assert from_wire(to_wire(limit).encode(), stream=limit.stream) == limit


@given(limits(), lengths)
def test_another_maxlen_leaves_a_limit_valid_and_moves_no_more_than_it_must(limit: Limit, maxlen: int) -> None:
    moved = with_maxlen(limit, maxlen=maxlen)
    assert errors_of(moved) == {}
    assert moved.maxlen == maxlen
    if maxlen <= limit.trim_threshold:
        assert (moved.trim_threshold, moved.hard_maxlen) == (limit.trim_threshold, limit.hard_maxlen)


def test_threshold_and_ceiling_move_in_proportion() -> None:
    moved = with_maxlen(make_limit(maxlen=1000), maxlen=5000)
    assert (moved.maxlen, moved.trim_threshold, moved.hard_maxlen) == (5000, 6000, 15_000)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"maxlen": 0}, "maxlen"),
        ({"maxlen": -5}, "maxlen"),
        ({"maxlen": 2**63, "trim_threshold": 2**63, "hard_maxlen": 2**63}, "maxlen"),
        ({"trim_threshold": 999}, "trim_threshold"),
        ({"trim_interval": timedelta(milliseconds=999)}, "trim_interval"),
        ({"trim_interval": timedelta(days=1, microseconds=1)}, "trim_interval"),
        ({"hard_maxlen": 1199}, "hard_maxlen"),
        ({"hard_maxlen": None}, "hard_maxlen"),
        ({"stream": ""}, "stream"),
        ({"stream": ":version"}, "stream"),
    ],
)
def test_each_mistake_is_told_at_its_field(changes: dict[str, object], field: str) -> None:
    errors = errors_of(make_limit(**changes))
    assert field in errors
    assert field in errors[field]


def test_what_is_not_known_is_not_judged() -> None:
    nothing = dict.fromkeys(("stream", "maxlen", "trim_threshold", "trim_interval", "protect_groups", "hard_maxlen"))
    assert limit_errors(**nothing) == {}


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        '{"v": 2}',
        to_wire(make_limit()).replace("1000", "0"),
        to_wire(make_limit()).replace("1000", "1000.5"),
        to_wire(make_limit()).replace("1000", '"1000"'),
        to_wire(make_limit()).replace("30.0", "1e999"),
        to_wire(make_limit()).replace('"maxlen"', '"maxlin"'),
    ],
)
def test_a_published_limit_that_makes_no_sense_names_its_stream(text: str) -> None:
    with pytest.raises(WireError, match="orders"):
        from_wire(text, stream="orders")


def test_fields_of_a_later_library_are_left_alone() -> None:
    later = to_wire(make_limit()).replace("{", '{"max_age": 60, ', 1)
    assert from_wire(later, stream="orders") == make_limit()


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
    assert all(errors_of(limit) == {} for limit in GUIDE_LIMITS.values())


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
