"""The slope of a growth and its error, against series whose slope is known and against another implementation."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeul_ops.proof.slope import slope


def test_a_straight_line_has_its_slope_and_no_error() -> None:
    found = slope([(second, 7 + 2.5 * second) for second in range(0, 600, 5)])
    assert found is not None
    assert found.per_hour == pytest.approx(2.5 * 3600)
    assert found.error == pytest.approx(0, abs=1e-6)


def test_a_constant_does_not_grow() -> None:
    found = slope([(second, 150e6) for second in range(100)])
    assert found is not None and (found.per_hour, found.error) == (0, 0)


@pytest.mark.parametrize("points", [[], [(0, 1)], [(0, 1), (5, 2)], [(3, 1), (3, 2), (3, 9)]])
def test_too_little_says_nothing(points: list[tuple[float, float]]) -> None:
    assert slope(points) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 10**9)), min_size=4, max_size=60, unique_by=lambda p: p[0]
    )
)
def test_it_is_what_numpy_finds(points: list[tuple[int, int]]) -> None:
    """polyfit scales its covariance as this error is."""
    found = slope(points)
    assert found is not None
    (rate, _), covariance = np.polyfit(*np.array(points, dtype=float).T, deg=1, cov=True)
    assert found.per_hour == pytest.approx(rate * 3600, rel=1e-4, abs=1)
    assert found.error == pytest.approx(np.sqrt(covariance[0, 0]) * 3600, rel=1e-4, abs=1)


def test_two_errors_hold_the_truth_nineteen_times_in_twenty() -> None:
    draw = random.Random(3)
    held = 0
    for _ in range(300):
        points = [(second, 40e6 + 1_000 * second + draw.gauss(0, 5e5)) for second in range(0, 600, 5)]
        found = slope(points)
        assert found is not None
        held += found.at_least <= 1_000 * 3600 <= found.at_most
    assert 0.90 <= held / 300 <= 0.99
