"""The integration guide's SQL for TimescaleDB, on a Community server that the console has migrated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_integration_guide import TIMESCALE, blocks_of

pytestmark = pytest.mark.community


def test_the_guides_sql_shows_policies_and_sizes(community, repository: Path) -> None:
    queries = [block for block in blocks_of(repository)["sql"] if TIMESCALE in block]
    found = []
    for query in queries:
        with community.cursor() as cursor:
            cursor.execute(query)
            found.append({row[0] for row in cursor.fetchall()})
    assert len(found) == 2
    assert "scan_results" in found[1]
