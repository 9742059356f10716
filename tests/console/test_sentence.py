"""The first thing an operator reads: one sentence, the worst first, never well where something is unknown."""

from datetime import timedelta

from snapshots.metrics import SnapshotsSummary
from tests.console.factories import NOW, memory, overview, snapshot_row, stream_row, streams, table_row, tables
from tradeul_ops.console.panels import Panel
from tradeul_ops.console.processes import Process, Processes
from tradeul_ops.console.sentence import judge


def test_all_is_well() -> None:
    said = judge(overview()).sentence
    assert said.condition == "within"
    assert f"{said.word} {said.text}" == "Bounded. The one stream is within its limit; Redis uses 182 MB of 5.0 GB."
    assert judge(overview()).findings == ()


def test_a_stream_over_its_limit_comes_before_one_that_is_held() -> None:
    held = stream_row("tickers:filtered", condition="attention", why="group pricing holds it.")
    over = stream_row("snapshots:raw", limit_id=2, condition="over", why="50,003 entries of 1,000.")
    page = judge(overview(streams=streams(held, over)))
    assert page.sentence.condition == "over"
    assert page.sentence.text == "snapshots:raw: 50,003 entries of 1,000. And 1 more."
    assert [finding.link for finding in page.findings] == ["/streams/of/snapshots:raw", "/streams/of/tickers:filtered"]


def test_a_limit_that_is_switched_off_is_a_finding_once_its_stream_is_over() -> None:
    assert judge(overview(streams=streams(stream_row(enabled=False)))).findings == ()
    assert judge(overview(streams=streams(stream_row(enabled=False, condition="over")))).findings != ()


def test_a_silent_worker_outranks_a_held_stream() -> None:
    held = stream_row(condition="attention", why="held.")
    silent = Processes(Process("worker", None, "over"), Process("beat", NOW, "within"), NOW)
    page = judge(overview(streams=streams(held), processes=silent))
    assert page.sentence.text.startswith("No worker has said that it lives within the hour")


def test_a_source_that_is_away_is_unknown_and_keeps_its_last_figures() -> None:
    away = Panel("Redis streams", streams(), NOW - timedelta(minutes=2), "Redis does not answer: refused")
    page = judge(overview(streams=away))
    assert page.sentence.condition == "unknown"
    assert page.sentence.text == "Redis streams not read since 14:28:00: Redis does not answer: refused."


def test_a_server_that_is_away_outranks_a_slow_group_and_old_rows_are_no_findings() -> None:
    held = stream_row(condition="attention", why="held.")
    away = Panel("Redis streams", streams(held), NOW, "refused")
    page = judge(overview(streams=away, hypertables=tables(table_row(condition="attention", why="late."))))
    assert [finding.condition for finding in page.findings] == ["unknown", "attention"]
    assert "held." not in " ".join(finding.text for finding in page.findings)


def test_a_stream_that_can_not_be_read_is_a_finding() -> None:
    odd = stream_row(condition="unknown", why="it is no stream.")
    assert judge(overview(streams=streams(odd))).sentence.condition == "unknown"


def test_a_source_that_never_answered_does_not_break_the_page() -> None:
    never: Panel[object] = Panel("Redis streams", None, None, "refused")
    page = judge(overview(streams=never, snapshots=never, hypertables=never, processes=never))
    assert page.sentence.condition == "unknown"
    assert len(page.findings) == 4


def test_memory_near_its_ceiling_and_an_evicting_policy_are_findings() -> None:
    full = memory(used_bytes=4_500_000_000, policy="allkeys-lru", evicts_whole_keys=True)
    texts = [finding.text for finding in judge(overview(streams=streams(memory=full))).findings]
    assert texts[0] == "Redis uses 4.5 GB of the 5.0 GB it may."
    assert "deletes whole streams" in texts[1]


def test_a_broken_snapshot_and_an_overdue_table_are_findings() -> None:
    broken = SnapshotsSummary(
        rows=(snapshot_row(condition="over", why="No build for 6 min."),), fulls=0, deltas=0, saved_bytes=0, read_at=NOW
    )
    overdue = tables(table_row(condition="over", why="its oldest row is 5 days old."))
    texts = [finding.text for finding in judge(overview(snapshots=broken, hypertables=overdue)).findings]
    assert texts == ["Snapshot enriched: No build for 6 min.", "scan_results: its oldest row is 5 days old."]
