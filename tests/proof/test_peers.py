"""The comparison with others: each finds what the facts say, on servers of its own."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from tradeul_ops.proof import report
from tradeul_ops.proof.comparison import Comparison, Table, Way
from tradeul_ops.proof.peers import _snapshots, _streams
from tradeul_ops.proof.rows import Unit
from tradeul_ops.proof.scale import SCALES, SMALL

TINY = replace(SMALL, tickers=300, history_symbols=4, history_time=timedelta(days=4))


@pytest.fixture
def peer_redis(redis):
    yield redis
    redis.flushdb()  # a stream without a limit is what the comparison is about


def test_only_the_guides_manager_has_stale_tickers(peer_redis) -> None:
    guide, plain, ours = _snapshots(peer_redis, TINY).ways
    assert guide.figures[3] > 0 and guide.figures[4] > 0
    assert plain.figures[3:] == ours.figures[3:] == (0, 0.0)


def test_only_a_bare_maxlen_loses_what_a_group_needed(peer_redis) -> None:
    unlimited, bare, ours = (way.figures for way in _streams(peer_redis).ways)
    held, lost = 0, 4
    assert (unlimited[held], unlimited[lost]) == (20_000, 0)
    assert bare[held] < 600 and bare[lost] > 9_000
    assert ours[held] <= 1_600 and ours[lost] == 0


@pytest.mark.stack
def test_all_tables_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """As a page for people, and as one document for programs."""
    monkeypatch.setitem(SCALES, "small", TINY)
    html = tmp_path / "peers.html"
    call_command("prove", peers=True, json=True, html=html, directory=tmp_path)
    told = json.loads(capsys.readouterr().out)
    assert told["scale"] == "small" and "PostgreSQL" in told["versions"]
    _, streams, tables = told["tables"]
    assert [len(table["ways"]) for table in told["tables"]] == [3, 3, 2]
    for table in told["tables"]:
        assert all(set(way) == {"way", *table["units"]} for way in table["ways"])
    by_hand, ours = tables["ways"]
    assert "by hand" in by_hand["way"] and "copy_rows" in ours["way"]
    assert by_hand["left beyond three days"] == ours["left beyond three days"] == 0
    assert tables["units"]["bounded"] == "bytes" and ours["bounded"] > 0
    text = html.read_text()
    assert text.count("<tr>") == 3 + 8 and "<script" not in text
    assert "`" not in text and all(way["way"].split("`")[0] in text for way in streams["ways"])
    assert not {"src=", "http://", "https://"} & set(text.split()), "it needs something from elsewhere"


TABLE = Table(
    "5 entries",
    {"held": Unit.COUNT, "CPU": Unit.MILLISECONDS},
    (Way("bare", (1_200, 3.4)), Way("ours", (300, None))),
)


def test_a_table_reads_as_markdown_and_as_numbers() -> None:
    assert str(TABLE).splitlines() == [
        "| 5 entries | held | CPU |",
        "|---|---|---|",
        "| bare | 1,200 | 3 ms |",
        "| ours | 300 | – |",
    ]
    assert [TABLE.shares(way) for way in TABLE.ways] == [[1.0, 1.0], [0.25, 0.0]]
    found = Comparison("tiny", (TABLE,), {"Valkey": "9.1"}, 2.04)
    assert "Scale tiny; Valkey 9.1. Took 2 s." in report.comparison_text(found)
    told = json.loads(report.comparison_document(found))
    assert told["tables"][0]["ways"][1] == {"way": "ours", "held": 300, "CPU": None}
