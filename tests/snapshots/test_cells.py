"""A record becomes cells and comes back as it was; what JSON cannot say is refused by name."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from snapshots.engine.cells import MISSING, canonical, flatten, split_name, unflatten
from snapshots.engine.errors import Unpublishable
from snapshots.engine.state import from_records
from tests.snapshots import generators
from tests.snapshots.chains import exact


@given(generators.records)
def test_flattening_keeps_the_record(record: dict[str, Any]) -> None:
    cells = flatten(record, symbol="A")
    assert exact(unflatten((split_name(name), cell) for name, cell in cells.items())) == exact(record)
    assert MISSING not in cells.values()


@given(generators.leaves)
def test_canonical_text_is_json_for_the_same_value(value: Any) -> None:
    assert exact(json.loads(canonical(value))) == exact(value)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (-1.5e-10, "-1.5e-10"),
        (123.456, "123.456"),
        (9007199254740991.0, "9007199254740991"),
        (9007199254740992.0, "9.007199254740992e+15"),
        (1e23, "1e+23"),
        (5e-324, "5e-324"),
        (2**70, "1180591620717411303424"),
    ],
)
def test_numbers_are_written_as_javascript_writes_them(number: float, text: str) -> None:
    assert canonical(number) == text


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"day": {"c": float("nan")}}, r"AAPL: day\.c is nan; JSON has no such number\."),
        ({"day": {"c": float("-inf")}}, r"AAPL: day\.c is -inf"),
        ({"news": [1, float("nan")]}, r"AAPL: news holds nan"),
        ({"at": timedelta(1)}, r"AAPL: at is a timedelta; JSON has no such value\."),
        ({"day": {1: 2}}, r"AAPL: the key 1 under 'day' is not a string\."),
        ([1], r"AAPL: the record is a list, not an object\."),
        ({"n": 10**5000}, r"AAPL: n has more than 4,300 digits\."),
        ({f"f{n}": n for n in range(5000)}, r"5,000 different fields"),
    ],
)
def test_what_json_cannot_say_is_refused_with_symbol_and_field(record: Any, sentence: str) -> None:
    with pytest.raises(Unpublishable, match=sentence):
        from_records({"AAPL": record})
