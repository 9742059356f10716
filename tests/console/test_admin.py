"""Django's admin as a face of the console: what Redis says of a limit, actions, the warning that nobody carries out."""

from __future__ import annotations

import json

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from streams import services
from streams.models import StreamLimit, TrimRun
from tests.streams.factories import fill, make_row
from tradeul_ops import liveness
from tradeul_ops.connections import data_redis
from tradeul_ops.demo.servers import free_port

LIST = "/admin/streams/streamlimit/"


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


def _live(client: Client) -> dict[str, tuple[str, str, str]]:
    rows = client.get(LIST).context["cl"].result_list
    return {str(row): (row.live.state, row.live.length, row.live.usage) for row in rows}


def _act(client: Client, action: str, *limits: StreamLimit):
    return client.post(LIST, {"action": action, "_selected_action": [limit.pk for limit in limits]}, follow=True)


def test_the_list_says_how_each_limit_stands_now(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()
    make_row("snapshots:raw", 1000)
    make_row("alerts:*", 100, hard_maxlen=1000)
    make_row("nowhere:*", 100)
    fill(redis, "snapshots:raw", 250)
    fill(redis, "alerts:a", 50)
    fill(redis, "alerts:b", 60)

    services.discover_streams(now=timezone.now())
    said = _live(ana)
    assert said["snapshots:raw"][1:] == ("250", "25%")
    assert said["alerts:*"][1:] == ("110", "60%") and said["alerts:*"][0].endswith("(2 streams)")
    assert said["nowhere:*"] == ("holds for no stream", "–", "–")


@pytest.mark.parametrize("more", [0, 40])
def test_it_asks_redis_once_however_many_limits(
    ana: Client, redis: redis_library.Redis, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    for number in range(more):
        make_row(f"more:{number}", 10)
        fill(redis, f"more:{number}", 3)
    ana.get(LIST)  # the script is known to the server now
    client, asked = data_redis(), []
    pool = client.connection_pool
    taken = pool.get_connection
    monkeypatch.setattr(pool, "get_connection", lambda *a, **k: asked.append(1) or taken(*a, **k))
    assert ana.get(LIST).status_code == 200
    assert len(asked) == 1


def test_without_redis_the_list_says_unknown_and_can_be_edited(ana: Client, settings) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    answer = ana.get(LIST)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "unknown: Redis is away" in text and "The broker does not answer" in text
    assert ana.get(f"{LIST}{StreamLimit.objects.first().pk}/change/").status_code == 200


def test_enforce_now_trims_and_says_how_many(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()
    limit = make_row("snapshots:raw", 100, approximate=False, hard_maxlen=10_000)
    fill(redis, "snapshots:raw", 500)
    said = _act(ana, "enforce_now", limit).content.decode()
    assert redis.xlen("snapshots:raw") == 100
    assert "400 entries went" in said
    assert TrimRun.objects.filter(stream="snapshots:raw").exists()


def test_enforce_now_takes_nothing_from_a_group(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()
    limit = make_row("snapshots:raw", 100, approximate=False, trim_threshold=100, hard_maxlen=300)
    fill(redis, "snapshots:raw", 500)
    redis.xgroup_create("snapshots:raw", "scanner", "0")
    said = _act(ana, "enforce_now", limit).content.decode()
    assert redis.xlen("snapshots:raw") == 500
    assert "Look, and agree to it there" in said and "/streams/trim/snapshots:raw" in said


def test_export_is_a_document_that_import_takes(ana: Client, redis: redis_library.Redis) -> None:
    raw = StreamLimit.objects.get(pattern="snapshots:raw")
    answer = _act(ana, "export", raw)
    assert answer["Content-Disposition"] == 'attachment; filename="limits.json"'
    limits = json.loads(answer.content)["limits"]
    assert len(limits) == 1 and "snapshots:raw" in json.dumps(limits)


def test_disable_and_enable_go_through_the_services(ana: Client, redis: redis_library.Redis) -> None:
    raw = StreamLimit.objects.get(pattern="snapshots:raw")
    _act(ana, "switch_off", raw)
    raw.refresh_from_db()
    assert not raw.enabled
    assert "enabled: True → False" in LogEntry.objects.latest("id").get_change_message()


def test_an_edit_that_nobody_carries_out_is_said_beforehand(ana: Client, redis: redis_library.Redis) -> None:
    for page in (LIST, f"{LIST}{StreamLimit.objects.first().pk}/change/", "/admin/"):
        text = ana.get(page).content.decode()
        assert "No worker lives" in text and "No beat lives" in text
    liveness.stamp("worker")
    liveness.stamp("beat")
    text = ana.get(LIST).content.decode()
    assert "No worker lives" not in text and "No beat lives" not in text


def test_read_only_is_said_there_too(ana: Client, redis: redis_library.Redis, settings) -> None:
    settings.READ_ONLY = True
    assert "Read-only: this console" in ana.get("/admin/").content.decode()


@pytest.mark.parametrize(
    "history", ["streams/trimrun", "snapshots/snapshotbuild", "timescale/retentionrun", "timescale/tableaction"]
)
def test_history_can_be_read_and_not_written(ana: Client, redis: redis_library.Redis, history: str) -> None:
    assert ana.get(f"/admin/{history}/").status_code == 200
    assert ana.post(f"/admin/{history}/add/").status_code == 403


def test_a_viewer_reads_the_admin_and_changes_nothing(client: Client, db: None, redis: redis_library.Redis) -> None:
    luis = get_user_model().objects.create_user("luis", is_staff=True)
    luis.groups.add(Group.objects.get(name="viewer"))
    client.force_login(luis)
    page = client.get(LIST)
    assert page.status_code == 200
    limit = StreamLimit.objects.first()
    assert client.post(f"{LIST}{limit.pk}/change/", {"maxlen": 1}).status_code == 403
    _act(client, "switch_off", limit)
    limit.refresh_from_db()
    assert limit.enabled


def test_each_field_says_its_unit_its_effect_and_an_example(ana: Client, redis: redis_library.Redis) -> None:
    form = ana.get(f"{LIST}add/").context["adminform"].form
    assert {name for name in form.fields if "Example: " not in str(form.fields[name].help_text)} == {"accepted_loss"}
    page = ana.get("/streams/limits/new").content.decode()
    assert "Entries that stay after a trim." in page and "Example: 1200 with maxlen 1000." in page


def test_who_may_only_look_reads_them_too(client: Client, db: None, redis: redis_library.Redis) -> None:
    eva = get_user_model().objects.create_user("eva", is_staff=True)
    eva.groups.add(Group.objects.get(name="viewer"))
    client.force_login(eva)
    page = client.get(f"{LIST}{StreamLimit.objects.first().pk}/change/")
    assert page.status_code == 200 and "Example: 1200 with maxlen 1000." in page.content.decode()
