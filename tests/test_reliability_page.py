"""docs/reliability.md says what the fault tests say, of every one of them."""

from __future__ import annotations

from tests.faults import table


def test_the_page_is_what_the_tests_say() -> None:
    stale = "docs/reliability.md is stale: run python -m tests.faults.table --write"
    assert table.PAGE.read_text() == table.page(), stale
