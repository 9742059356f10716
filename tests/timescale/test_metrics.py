"""What a page is told: figures that are true, None where nobody knows, and the word for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tests.timescale.factories import DAY, HOUR, at, copy_scans, scan
from timescale import services
from timescale.engine.edition import Edition
from timescale.metrics import guide_metrics, hypertables_summary
from timescale.models import AggregatePolicy, HypertablePolicy, RetentionRun, VolumeSlotAverage
from timescale.store.chunks import read_chunks
from tradeul_ops.runs import Outcome

NOW = at(15, 20)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def row_of(table: str, *, now: datetime = NOW):
    return next(row for row in hypertables_summary(now=now).rows if row.table == table)


def test_each_table_is_a_row_with_what_the_edition_knows(database, edition):
    services.reconcile_policies()
    copy_scans(scan(NOW - n * HOUR / 2) for n in range(5))
    sql("ANALYZE scan_results")
    summary = hypertables_summary(now=NOW)
    assert [row.table for row in summary.rows] == sorted(
        ["scan_results", "volume_slots", "volume_slot_averages", "market_data_daily"]
    )
    row = row_of("scan_results")
    assert (row.rows_estimate, row.oldest_at, row.drop_after) == (5, NOW - 2 * HOUR, 3 * DAY)
    assert row.bytes > 8192
    assert (row.condition, row.why) == ("within", row.why)
    assert summary.database_bytes > row.bytes
    assert (summary.read_at, summary.dropped_rows) == (NOW, 0)
    assert summary.edition == edition
    if edition is Edition.NONE:
        assert (row.is_hypertable, row.chunks, row.chunk_time_interval, row.saved_ratio) == (False, None, None, None)
        assert (row.enforced_by, row.columnstore) == ("beat: batched DELETE", "not on this edition")
    else:
        assert (row.is_hypertable, row.chunks, row.chunk_time_interval) == (True, 3, HOUR)
        assert row.compressed_chunks == 0
        assert row.saved_ratio is None  # nothing is compressed: not 0 %
    if edition is Edition.APACHE:
        assert (row.enforced_by, row.columnstore) == ("beat: drop_chunks", "not on this edition")
    if edition is Edition.COMMUNITY:
        assert (row.enforced_by, row.columnstore) == ("TimescaleDB job", "after 2 h")
        assert row.last_run is None
        assert row.last_run_detail.endswith("has not run yet")


def test_an_empty_table_is_within_and_one_never_analyzed_has_an_unknown_number_of_rows(database):
    services.reconcile_policies()
    assert row_of("scan_results").oldest_at is None
    assert (row_of("scan_results").condition, row_of("scan_results").why) == ("within", "No rows.")
    VolumeSlotAverage.objects.create(date=NOW.date(), symbol="AAPL", slot_number=1)
    assert row_of("volume_slot_averages").rows_estimate is None


def test_a_row_past_the_bound_makes_it_over(database, edition):
    services.reconcile_policies()
    allowed = {Edition.NONE: timedelta(minutes=1), Edition.APACHE: timedelta(minutes=61), Edition.COMMUNITY: 2 * HOUR}
    copy_scans([scan(NOW - 3 * DAY - allowed[edition] + timedelta(seconds=1))])
    assert row_of("scan_results").condition == ("attention" if edition is Edition.COMMUNITY else "within")
    assert "past" not in row_of("scan_results").why  # there it says that the chunk should have been compressed
    copy_scans([scan(NOW - 3 * DAY - allowed[edition] - timedelta(seconds=1))])
    row = row_of("scan_results")
    assert row.condition == "over"
    assert row.why.startswith("The oldest row is 1 s past its 3 days and the")


def test_a_disabled_policy_wants_attention(database):
    HypertablePolicy.objects.update(enabled=False)
    assert row_of("scan_results").condition == "attention"
    assert guide_metrics(now=NOW)["retention_policies"] == "attention"


def test_a_failed_run_wants_attention_until_one_works(database, edition):
    if edition is Edition.COMMUNITY:
        sql("CREATE TABLE other (time timestamptz)")
        HypertablePolicy.objects.filter(table_name="scan_results").update(table_name="other")
    table = "other" if edition is Edition.COMMUNITY else "scan_results"
    for outcome, word in ((Outcome.FAILED, "attention"), (Outcome.NOTHING, "within")):
        RetentionRun.objects.create(
            started_at=NOW, finished_at=NOW, outcome=outcome, detail="disk full", table_name=table, enforced_by="beat"
        )
        row = row_of(table)
        assert (row.last_run, row.last_run_detail, row.last_failed) == (NOW, "disk full", outcome is Outcome.FAILED)
        if edition is not Edition.COMMUNITY:  # there a plain table wants attention anyway
            assert row.condition == word


def test_a_missing_table_is_unknown_and_the_others_are_read(database):
    HypertablePolicy.objects.create(
        table_name="lost",
        time_column="time",
        chunk_time_interval=HOUR,
        drop_after=DAY,
        retention_schedule_interval=HOUR,
    )
    row = row_of("lost")
    assert (row.condition, row.why) == ("unknown", "lost: there is no such table or view. Has its migration run?")
    assert (row.bytes, row.rows_estimate, row.oldest_at) == (None, None, None)
    HypertablePolicy.objects.filter(table_name="scan_results").update(time_column="no_such_column")
    assert row_of("scan_results").condition == "unknown"
    assert "no_such_column" in row_of("scan_results").why
    assert row_of("volume_slots").condition != "unknown"
    assert guide_metrics(now=NOW)["retention_policies"] == "unknown"


def test_dropped_rows_are_counted(database):
    for rows in (30, 12):
        RetentionRun.objects.create(
            started_at=NOW, finished_at=NOW, outcome=Outcome.DONE, table_name="t", rows_dropped=rows, enforced_by="beat"
        )
    assert hypertables_summary(now=NOW).dropped_rows == 42


def test_aggregates_say_what_they_are(database, edition):
    services.reconcile_policies()
    AggregatePolicy.objects.create(
        view_name="lost",
        source="scan_results_1min",
        bucket_width=HOUR,
        start_offset=3 * HOUR,
        end_offset=timedelta(0),
        schedule_interval=HOUR,
    )
    told = {row.view: (row.kind, row.refresh) for row in hypertables_summary(now=NOW).aggregates}
    assert told["lost"] == ("missing", "its migration has not run")
    if edition is Edition.COMMUNITY:
        assert told["scan_results_1min"] == ("continuous aggregate", "from 1 h to 30 s back, every 30 s")
    else:
        assert told["scan_results_1min"] == ("plain view", "computed at each query")


@pytest.mark.community
def test_compression_is_told_as_it_was_measured(community):
    services.reconcile_policies()
    start = at(0)
    copy_scans(scan(start + n * timedelta(seconds=2), f"S{n % 5}", price=n % 7) for n in range(7200))
    sql("SELECT compress_chunk(c) FROM show_chunks('scan_results', older_than => '2026-03-10 03:00Z'::timestamptz) c")
    row = row_of("scan_results")
    assert (row.chunks, row.compressed_chunks) == (4, 3)
    assert 0.5 < row.saved_ratio < 1
    assert row.oldest_at == start  # also out of a compressed chunk
    assert guide_metrics(now=NOW)["compression"] == "enabled"


@pytest.mark.community
def test_drift_wants_attention(community):
    row = row_of("scan_results")
    assert row.condition == "attention"
    assert "retention is no job, wanted after 3 days, every 1 h." in row.why
    services.reconcile_policies()
    assert row_of("scan_results").condition == "within"


def test_guide_metrics_answer_the_guides_two_words(database, edition):
    services.reconcile_policies()
    answer = guide_metrics(now=datetime.now(UTC))
    assert answer["retention_policies"] == "active"
    assert answer["compression"] == ("enabled" if edition is Edition.COMMUNITY else "not on this edition")
    assert answer["edition"] == edition
    assert len(answer["tables"]) == 4
    json.dumps(answer)
    HypertablePolicy.objects.all().delete()
    assert guide_metrics(now=NOW)["retention_policies"] == "none"


@pytest.mark.community
def test_rows_in_the_columnstore_are_counted_though_nobody_analyzed_them(community):
    """What a person is told of before it is dropped: 'about 0 rows' would be a lie."""
    copy_scans(scan(NOW - hours * HOUR, symbol=f"S{n}") for hours in (1, 30, 31) for n in range(50))
    policy = HypertablePolicy.objects.get(table_name="scan_results")
    told = services.preview_change(policy, {"drop_after": DAY}, now=NOW)
    assert told is not None and "an unknown number of rows" in told.sentence, "before any ANALYZE nobody knows"
    sql(f"SELECT compress_chunk(c) FROM show_chunks('scan_results', older_than => '{NOW - DAY}'::timestamptz) AS c")
    told = services.preview_change(policy, {"drop_after": DAY}, now=NOW)
    assert told is not None and "2 chunks with about 100 rows" in told.sentence
    assert row_of("scan_results").rows_estimate == 100, "the rest has not been analyzed"
    assert [chunk.rows_estimate for chunk in read_chunks(community, "scan_results")] == [50, 50, 0]
