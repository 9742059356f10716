"""What stands beside the overview's figures: an hour of each, Redis' memory in parts, what was saved and how known."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from snapshots.models import SnapshotBuild, SnapshotPolicy
from tests.console.factories import NOW, memory, overview, stream_row, streams, table_row, tables
from timescale.models import TableSample
from timescale.store.sizes import Sizes
from tradeul_ops.console.panels import Panel
from tradeul_ops.console.saved import saved_so_far
from tradeul_ops.console.tasks import note_findings
from tradeul_ops.console.tiles import MEMORY_KEPT, MEMORY_KEY, keep_memory, read_tiles, split_of
from tradeul_ops.demo.servers import free_port
from tradeul_ops.runs import Outcome


def test_the_parts_of_redis_memory_add_up_to_what_is_used(db: None) -> None:
    seen = streams(stream_row(bytes=38_000_000), memory=memory(used_bytes=182_000_000, overhead_bytes=27_000_000))
    parts = split_of(seen, overview().snapshots.value)
    assert [(part.name, part.bytes) for part in parts] == [
        ("streams", 38_000_000),
        ("snapshots", 1_700_000),
        ("other", 115_300_000),
        ("overhead", 27_000_000),
    ]
    assert sum(part.share for part in parts) == pytest.approx(100, abs=0.1)
    assert parts[3].start == pytest.approx(sum(part.share for part in parts[:3]), abs=0.1)


def test_estimates_above_what_is_used_leave_no_negative_rest() -> None:
    seen = streams(stream_row(bytes=500), memory=memory(used_bytes=400, overhead_bytes=100))
    parts = {part.name: part for part in split_of(seen, None)}
    assert parts["other"].bytes == 0 and sum(part.share for part in parts.values()) == pytest.approx(100, abs=0.1)


def test_a_server_that_does_not_say_its_overhead_has_no_split() -> None:
    assert split_of(streams(), None) == ()


def test_beat_gives_redis_memory_an_hour_of_history(redis: redis_library.Redis, db: None) -> None:
    note_findings()
    (point,) = read_tiles(overview(read_at=timezone.now())).memory
    assert point[1] > 500_000
    for second in range(MEMORY_KEPT + 50):
        keep_memory(second, now=NOW + timedelta(seconds=second))
    assert redis.llen(MEMORY_KEY) == MEMORY_KEPT and redis.ttl(MEMORY_KEY) > 0


def test_the_hour_of_snapshots_and_of_the_database(redis: redis_library.Redis, db: None) -> None:
    policy = SnapshotPolicy.objects.first()
    assert policy is not None
    for minutes, size in ((90, 1), (2, 65), (1, 66)):
        at = NOW - timedelta(minutes=minutes)
        SnapshotBuild.objects.create(
            policy=policy, kind="delta", started_at=at, finished_at=at, outcome=Outcome.DONE, stored_bytes=size
        )
        TableSample.objects.create(relation="", taken_at=at, bytes=size)
        TableSample.objects.create(relation="scan_results", taken_at=at, bytes=1)
    tiles = read_tiles(overview())
    assert [value for _, value in tiles.snapshots[policy.pk]] == [65, 66]
    assert [value for _, value in tiles.database] == [65, 66]


def test_without_its_sources_the_overview_has_no_hours_and_still_stands(client: Client, db: None, settings) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    client.force_login(get_user_model().objects.create_superuser("ana"))
    assert client.get("/").status_code == 200


def test_the_overview_draws_them(client: Client, redis: redis_library.Redis, db: None) -> None:
    client.force_login(get_user_model().objects.create_superuser("ana"))
    note_findings()
    text = client.get("/").content.decode()
    assert "Saved(" not in text  # a row of the table has a word of its own that is called saved
    assert 'class="stack"' in text and "overhead" in text
    assert "Saved so far: streams 0 entries, 0 B · snapshots" in text and "How this is computed" in text


def test_what_was_saved_is_said_with_how_it_is_known() -> None:
    compressed = table_row(sizes=Sizes(bytes=1, before_bytes=10_000_000_000, after_bytes=900_000_000))
    found = {one.domain: one for one in saved_so_far(overview(hypertables=tables(compressed, table_row("other"))))}
    assert found["streams"].text == "48,991 entries, 612 MB"
    assert found["snapshots"].text == "100 MB not written" and "12 builds on record" in found["snapshots"].how
    assert found["tables"].text == "9.1 GB by compression, 0 rows dropped"
    never: Panel[object] = Panel("TimescaleDB", None, None, "refused")
    assert [one.domain for one in saved_so_far(overview(hypertables=never))] == ["streams", "snapshots"]
