"""streams.producer: what a field may hold, and what it is on the wire."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import redis as redis_library
from hypothesis import given
from hypothesis import strategies as st

from streams.producer import InvalidField, StreamProducer
from streams.producer._values import PLAIN, sendable

Redis = redis_library.Redis


class Side(enum.StrEnum):
    BUY = "buy"


class Level(enum.IntEnum):
    TWO = 2


class Measured(float):
    """Like numpy.float64, whose repr is no number."""

    def __repr__(self) -> str:
        return f"np.float64({float(self)})"


@pytest.fixture
def producer(redis: Redis) -> Iterator[StreamProducer]:
    with StreamProducer(redis, trim=False) as started:
        yield started


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("ñ", "ñ".encode()),
        (b"\xff", b"\xff"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (181, b"181"),
        (181.25, b"181.25"),
        (True, b"true"),
        (False, b"false"),
        (None, b"null"),
        ({"a": [1, None, True, "ñ"]}, '{"a":[1,null,true,"ñ"]}'.encode()),
        ([{"price": Decimal("1.10")}], b'[{"price":"1.10"}]'),
        ((1, 2), b"[1,2]"),
        ({"at": datetime(2026, 8, 24, 14, 30, tzinfo=UTC)}, b'{"at":"2026-08-24T14:30:00+00:00"}'),
        (datetime(2026, 8, 24, 14, 30, 0, 5, tzinfo=UTC), b"2026-08-24T14:30:00.000005+00:00"),
        (date(2026, 8, 24), b"2026-08-24"),
        (time(14, 30), b"14:30:00"),
        (Decimal("1.10"), b"1.10"),
        (UUID(int=5), b"00000000-0000-0000-0000-000000000005"),
        (Side.BUY, b"buy"),
        (Level.TWO, b"2"),
        (Measured(1.5), b"1.5"),
    ],
)
def test_a_value_on_the_wire(redis: Redis, producer: StreamProducer, value: Any, wire: bytes) -> None:
    producer.xadd("orders", {"symbol": "NVDA", "value": value})
    assert redis.xrange("orders")[0][1] == {b"symbol": b"NVDA", b"value": wire}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "of type object"),
        ({1, 2}, "of type set"),
        ({"tags": {1, 2}}, "it holds a set"),
        ({(1, 2): 3}, "keys must be"),
        ([float("nan")], "not JSON compliant"),
        (1j, "of type complex"),
    ],
)
def test_what_has_no_text_is_refused_by_the_fields_name(
    redis: Redis, producer: StreamProducer, value: Any, why: str
) -> None:
    for refuse in (
        lambda: producer.xadd("orders", {"symbol": "NVDA", "odd": value}),
        lambda: producer.xadd_many("orders", [{"symbol": "NVDA"}, {"odd": value}]),
    ):
        with pytest.raises(InvalidField, match=f"The field 'odd' of 'orders'.*{why}") as caught:
            refuse()
        assert isinstance(caught.value, redis_library.DataError)
    assert not redis.exists("orders"), "refused before the wire"
    assert producer.get_stats()["total_adds"] == 1, "the one that stood before it in its batch"


def test_a_value_that_holds_itself_is_refused(producer: StreamProducer) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidField, match=r"'odd'.*Circular"):
        producer.xadd("orders", {"odd": endless})


def test_an_entry_without_a_field_is_refused(redis: Redis, producer: StreamProducer) -> None:
    with pytest.raises(InvalidField, match="'orders' needs a field"):
        producer.xadd("orders", {})
    assert not redis.exists("orders")


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(trees)
def test_what_is_json_comes_back_as_it_was(value: Any) -> None:
    sent = sendable(value, field="any", stream="orders")
    assert type(sent) in PLAIN
    assert sent == value if type(value) in PLAIN else json.loads(sent) == value
