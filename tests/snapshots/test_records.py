"""What changed among a caller's records is found by their bytes: never too little, and all of it exactly."""

from __future__ import annotations

import copy
from datetime import date
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from snapshots.engine.errors import Unpublishable
from snapshots.engine.state import to_records
from snapshots.engine.table import PORTION
from snapshots.publisher._records import changed_of
from tests.snapshots import generators
from tests.snapshots.chains import Records, exact


class Exchange(IntEnum):
    NASDAQ = 1


@given(generators.snapshots, generators.snapshots)
@settings(deadline=None)
def test_what_is_left_out_is_as_it_was(before: Records, after: Records) -> None:
    _, raw = changed_of(before, raw_before={})
    changed, _ = changed_of(after, raw_before=raw)
    found = to_records(changed)
    assert exact({symbol: found.get(symbol, before.get(symbol)) for symbol in after}) == exact(after)


@pytest.mark.parametrize(
    ("old", "new", "looked_at"),
    [
        (1, True, True),
        (0, False, True),
        (1, "1", True),
        (0.0, None, True),
        (2**53, 2**53 + 1, True),
        ([1], [True], True),
        ({}, [], True),
        (1, Exchange.NASDAQ, False),  # the number that it is
        ([1, 2], (1, 2), False),
        (np.float64(1.5), np.float64(1.5), False),  # of a class of its own, but as it was
        (np.float64(1.5), np.float64(2.5), True),
        (2**70, 2**70, False),
        (MappingProxyType({"c": 1}), MappingProxyType({"c": 1}), True),  # nothing writes it: each time
    ],
)
def test_other_bytes_for_another_value(old: Any, new: Any, looked_at: bool) -> None:
    _, raw = changed_of({"A": {"x": old}}, raw_before={})
    changed, _ = changed_of({"A": {"x": new}}, raw_before=raw)
    assert list(changed.row_of) == ["A"] * looked_at


@pytest.mark.parametrize("value", [float("nan"), date(2026, 3, 9), {1, 2}, b"x", object()])
def test_what_no_json_has_is_refused_also_where_all_else_is_as_it_was(value: Any) -> None:
    _, raw = changed_of({"A": {"x": None}, "B": {"x": 1}}, raw_before={})
    with pytest.raises(Unpublishable, match=r"^A: x is "):
        changed_of({"A": {"x": value}, "B": {"x": 1}}, raw_before=raw)


def test_records_of_many_portions_are_found_in_their_order() -> None:
    before = generators.market(1, tickers=2 * PORTION + 10)
    _, raw = changed_of(before, raw_before={})
    after = copy.deepcopy(before)
    moved = list(after)[:: PORTION // 2]
    for symbol in moved:
        after[symbol]["day"]["c"] += 1
    changed, raw_after = changed_of(after, raw_before=raw)
    assert list(changed.row_of) == moved
    assert to_records(changed) == {symbol: after[symbol] for symbol in moved}
    assert list(raw_after) == list(after)
