"""What a limit may say and hardly means is told before it is saved, with the reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from streams import services
from streams.engine.warnings import warnings_of
from tests.streams.factories import make_rule, make_sample

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
FAST = {"orders": 3600 * 1000.0}  # a thousand a second


def test_an_inflow_that_reaches_the_ceiling_between_two_sweeps() -> None:
    [said] = warnings_of(make_rule("orders", 1000), rivals={}, inflows={"slow": 1.0, **FAST})
    assert said.startswith("orders is given 1,000 entries a second, 5,000 between two sweeps: only 1,800 fit")


@pytest.mark.parametrize(
    "changes", [{"hard_maxlen": 10_000}, {"protect_groups": False}, {"enabled": False}, {"maxlen": None}]
)
def test_no_warning_where_nothing_can_be_cut_unread_or_there_is_room(changes: dict[str, object]) -> None:
    assert warnings_of(make_rule("orders", **{"maxlen": 1000, **changes}), rivals={}, inflows=FAST) == ()


def test_approximate_below_a_node_and_a_rival() -> None:
    rule = make_rule("orders:*", 50)
    said = warnings_of(rule, rivals={"orders:new": make_rule("*:new")}, inflows={})
    assert "orders:new (*:new)" in said[0] and "Exact is cheap at this size." in said[1]


@pytest.mark.django_db
def test_the_inflow_is_that_of_the_last_hour(redis: Redis) -> None:
    for minutes in (10, 0):
        make_sample(
            stream="orders", at=NOW - timedelta(minutes=minutes), mark=60, entries_added=600_000 - 60_000 * minutes
        )
    services.remember(["orders"])
    [said] = services.preview_rule(None, make_rule("orders", 1000), now=NOW).warnings
    assert "orders is given 1,000 entries a second" in said
