"""The comparison with others: each finds what the facts say, on servers of its own."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tradeul_ops.proof.peers import _snapshots, _streams, compare
from tradeul_ops.proof.progress import Progress
from tradeul_ops.proof.scale import SMALL

TINY = replace(SMALL, tickers=300, history_symbols=4, history_time=timedelta(days=4))


@pytest.fixture
def peer_redis(redis):
    yield redis
    redis.flushdb()  # a stream without a limit is what the comparison is about


def test_only_the_guides_manager_has_stale_tickers(peer_redis) -> None:
    guide, plain, ours = _snapshots(peer_redis, TINY).rows
    assert int(guide[4].replace(",", "")) > 0 and guide[5] != "0.00%"
    assert plain[4:] == ours[4:] == ("0", "0.00%")


def test_only_a_bare_maxlen_loses_what_a_group_needed(peer_redis) -> None:
    unlimited, bare, ours = _streams(peer_redis).rows
    held, lost = 1, 5
    assert (unlimited[held], unlimited[lost]) == ("20,000", "0")
    assert int(bare[held].replace(",", "")) < 600 and int(bare[lost].replace(",", "")) > 9_000
    assert int(ours[held].replace(",", "")) <= 1_600 and ours[lost] == "0"


@pytest.mark.stack
def test_all_tables_are_made(tmp_path: Path) -> None:
    snapshots, streams, tables = compare(TINY, tmp_path, given={}, progress=Progress(None))
    by_hand, ours = tables.rows
    assert "by hand" in by_hand[0] and "copy_rows" in ours[0]
    assert by_hand[-1] == ours[-1] == "0"
    for table in (snapshots, streams, tables):
        assert str(table).count("\n") == 1 + len(table.rows)
