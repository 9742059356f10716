"""The pages as a person and as htmx ask for them, on real servers, with one of them away, and with wrong input."""

from __future__ import annotations

import json
import re

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import OperationalError
from django.test import Client

from streams.models import StreamLimit
from tests.console import factories
from tradeul_ops.console import panels, views
from tradeul_ops.demo.servers import free_port

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    """Logged in, with every permission."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


@pytest.fixture
def raw(db: None) -> StreamLimit:
    return StreamLimit.objects.get(pattern="snapshots:raw")


@pytest.fixture
def redis_away(settings) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"


# --- the overview ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/streams/", "/streams/limits/1/", "/streams/limits/1/row", "/streams/limits/1/maxlen"]
)
def test_a_stranger_is_sent_to_the_login(client: Client, db: None, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (302, 403)
    assert b"snapshots:raw" not in answer.content


def test_the_overview_names_every_stream_and_table(ana: Client, redis: redis_library.Redis) -> None:
    redis.xadd("snapshots:raw", {"data": "x"})
    text = ana.get("/").content.decode()
    for name in (
        *StreamLimit.objects.values_list("pattern", flat=True),
        "scan_results",
        "volume_slots",
        "scan_results_1min",
    ):
        assert name in text
    assert "<html" in text


def test_a_poll_gets_the_part_that_changes_with_the_title(ana: Client, redis: redis_library.Redis) -> None:
    text = ana.get("/", headers=HTMX).content.decode()
    assert "<html" not in text
    assert "<title>" in text and 'id="sentence"' in text


def test_without_redis_the_page_says_so_and_keeps_the_last_figures(ana: Client, redis_away: None) -> None:
    panels._last_good["Redis streams"] = panels.Panel("Redis streams", factories.streams(), factories.NOW)
    text = ana.get("/").content.decode()
    assert "stale since 14:30:00 UTC" in text
    assert "182 MB" in text  # the last figure
    assert "scan_results" in text  # the rest still renders
    assert "Bounded." not in text
    panels._last_good.clear()


def test_without_redis_limits_can_still_be_edited(ana: Client, raw: StreamLimit, redis_away: None) -> None:
    assert b"snapshots:raw" in ana.get("/streams/").content
    assert ana.get(f"/streams/limits/{raw.pk}/").status_code == 200
    answer = ana.post(f"/streams/limits/{raw.pk}/maxlen", {"maxlen": "900"}, headers=HTMX)
    assert answer.status_code == 503  # the row can't be drawn, but what was typed is kept, and that is said
    assert answer.content.decode().startswith("Saved: maxlen 1,000 → 900. The row can't be shown: Redis")
    raw.refresh_from_db()
    assert raw.maxlen == 900


def test_without_postgresql_the_answer_is_503_in_plain_words(
    ana: Client, redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(views, "read_overview", away)
    answer = ana.get("/")
    assert answer.status_code == 503
    assert re.search(r"PostgreSQL does not answer</strong> since \d\d:\d\d:\d\d UTC", answer.content.decode())


def test_a_poll_costs_the_same_for_five_streams_and_fifty(
    ana: Client, redis: redis_library.Redis, django_assert_max_num_queries
) -> None:
    for number in range(45):
        StreamLimit.objects.create(
            pattern=f"more:{number}", maxlen=10, trim_threshold=10, trim_interval="1", hard_maxlen=10
        )
    ana.get("/")
    with django_assert_max_num_queries(41) as queries:
        ana.get("/", headers=HTMX)
    with_fifty = len(queries)
    StreamLimit.objects.filter(pattern__startswith="more:").delete()
    with django_assert_max_num_queries(41) as queries:
        ana.get("/", headers=HTMX)
    assert len(queries) == with_fifty


# --- editing ---------------------------------------------------------------------------------------------------------


def test_an_edit_in_the_row_is_saved_published_and_told(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis, django_capture_on_commit_callbacks
) -> None:
    editor = ana.get(f"/streams/limits/{raw.pk}/maxlen", headers=HTMX).content.decode()
    assert 'name="maxlen"' in editor and 'value="1000"' in editor
    with django_capture_on_commit_callbacks(execute=True):
        answer = ana.post(f"/streams/limits/{raw.pk}/maxlen", {"maxlen": "1500"}, headers=HTMX)
    assert answer.status_code == 200
    assert "maxlen 1,000 → 1,500; with it trim_threshold 1,200 → 1,800." in answer.content.decode()
    published = json.loads(redis.hget("tradeul:streams:limits", "snapshots:raw"))
    assert (published["maxlen"], published["trim_threshold"]) == (1500, 1800)
    line = LogEntry.objects.latest("id")
    assert "maxlen: 1000 → 1500" in line.get_change_message()


@pytest.mark.parametrize("maxlen", ["0", "-1", str(2**63), "12.5", "many", ""])
@pytest.mark.parametrize("door", ["maxlen", ""])
def test_a_wrong_maxlen_is_told_under_the_field_and_changes_nothing(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis, maxlen: str, door: str
) -> None:
    whole = {
        "pattern": raw.pattern,
        "priority": 0,
        "trim_threshold": 1200,
        "trim_interval": "30",
        "hard_maxlen": 3000,
        "enabled": "on",
    }
    answer = ana.post(f"/streams/limits/{raw.pk}/{door}", {**whole, "maxlen": maxlen}, headers=HTMX if door else {})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"maxlen"}
    assert 'role="alert"' in answer.content.decode()
    raw.refresh_from_db()
    assert (raw.maxlen, raw.trim_threshold, raw.hard_maxlen) == (1000, 1200, 3000)


def test_a_threshold_below_maxlen_is_told_under_the_threshold(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis
) -> None:
    page = {
        "pattern": raw.pattern,
        "priority": 0,
        "maxlen": 2000,
        "trim_threshold": 1200,
        "trim_interval": "30",
        "hard_maxlen": 3000,
    }
    answer = ana.post(f"/streams/limits/{raw.pk}/", page)
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"trim_threshold"}
    raw.refresh_from_db()
    assert raw.maxlen == 1000


def test_what_clashes_with_a_save_in_between_is_told_and_not_saved(
    ana: Client, raw: StreamLimit, redis: redis_library.Redis
) -> None:
    """The page showed a ceiling of 3,000; somebody lowered it while the threshold was being typed."""
    page = {
        "pattern": raw.pattern,
        "priority": 0,
        "maxlen": 1000,
        "trim_threshold": 2500,
        "trim_interval": "30",
        "hard_maxlen": 3000,
    }
    shown = {f"initial-{name}": value for name, value in {**page, "trim_threshold": 1200}.items()}
    boxes = {"protect_groups": "on", "approximate": "on", "enabled": "on"}
    shown |= {f"initial-{name}": "True" for name in boxes}
    StreamLimit.objects.filter(pk=raw.pk).update(hard_maxlen=2000)
    answer = ana.post(f"/streams/limits/{raw.pk}/", {**page, **boxes, **shown})
    assert answer.status_code == 422
    assert "hard_maxlen must be at least trim_threshold (2,500)." in answer.content.decode()
    raw.refresh_from_db()
    assert (raw.trim_threshold, raw.hard_maxlen) == (1200, 2000)


def test_an_unknown_limit_is_404(ana: Client, redis: redis_library.Redis) -> None:
    for path in ("", "row", "maxlen"):
        assert ana.get(f"/streams/limits/999999/{path}", headers=HTMX).status_code == 404
    assert ana.post("/streams/limits/999999/maxlen", {"maxlen": 1}, headers=HTMX).status_code == 404


def test_who_may_only_look_is_refused_and_not_shown_the_button(
    client: Client, raw: StreamLimit, redis: redis_library.Redis
) -> None:
    reader = get_user_model().objects.create_user("reader")
    client.force_login(reader)
    page = client.get(f"/streams/limits/{raw.pk}/")
    assert page.status_code == 200
    assert b">Save<" not in page.content
    assert b"/maxlen" not in client.get("/").content
    assert client.post(f"/streams/limits/{raw.pk}/", {"maxlen": 5}).status_code == 403
    assert client.post(f"/streams/limits/{raw.pk}/maxlen", {"maxlen": 5}, headers=HTMX).status_code == 403
    reader.user_permissions.add(Permission.objects.get(codename="change_streamlimit"))
    assert client.post(f"/streams/limits/{raw.pk}/maxlen", {"maxlen": 5}, headers=HTMX).status_code == 200


# --- for machines ----------------------------------------------------------------------------------------------------


def test_memory_metrics_have_the_guides_shape(client: Client, db: None, redis: redis_library.Redis, settings) -> None:
    settings.METRICS_TOKEN = "token-of-the-test"
    redis.xadd("snapshots:raw", {"data": "x"})
    assert client.get("/api/v1/internal/memory-metrics").status_code == 401
    answer = client.get("/api/v1/internal/memory-metrics", headers={"Authorization": "Bearer token-of-the-test"})
    assert answer.status_code == 200
    said = answer.json()
    assert {"streams", "timescaledb", "timestamp"} <= said.keys()
    stats = {"is_running", "active_trim_tasks", "total_adds", "total_trims", "bytes_trimmed"}
    assert stats <= said["streams"]["stats"].keys()
    details = {row["stream"]: row for row in said["streams"]["details"]}
    assert details["snapshots:raw"]["length"] == 1
    assert details["snapshots:raw"]["maxlen"] == 1000
    assert details["snapshots:raw"]["usage_percent"] == 0.1
    assert {"retention_policies", "compression"} <= said["timescaledb"].keys()
    assert said["errors"] == {}


def test_memory_metrics_without_redis_are_503_with_what_could_be_read(ana: Client, redis_away: None) -> None:
    answer = ana.get("/api/v1/internal/memory-metrics")
    assert answer.status_code == 503
    said = answer.json()
    assert said["streams"] is None and "Redis" in said["errors"]["streams"]
    assert said["timescaledb"]["retention_policies"]


def test_probes(client: Client, db: None, redis: redis_library.Redis) -> None:
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").json() == {"postgresql": True, "redis": True, "broker": True}


def test_every_page_forbids_what_is_inline_or_from_elsewhere(ana: Client, redis: redis_library.Redis) -> None:
    policy = ana.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
