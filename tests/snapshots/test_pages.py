"""The snapshot pages as a person and as htmx ask for them: what they say, who may change what, and with Redis away."""

from __future__ import annotations

from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client

from snapshots import services
from snapshots.engine.names import keys_of
from snapshots.models import SnapshotPolicy
from snapshots.publisher import sync
from snapshots.services import ledger
from tests.snapshots import generators
from tests.snapshots.factories import RECORDS, changed, later, make_policy, put
from tradeul_ops.demo.servers import free_port
from tradeul_ops.locks import one_at_a_time

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")  # WhiteNoise, where nothing was collected
HTMX = {"HX-Request": "true"}
KEYS = keys_of("test")


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    """Logged in, with every permission."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


@pytest.fixture
def policy(db: None, redis: redis_library.Redis) -> SnapshotPolicy:
    """A full and three deltas of 60 tickers."""
    made = make_policy()
    records = generators.market(5, tickers=60)
    for number in range(4):
        put(redis, records)
        services.build_snapshots(later(5 * number))
        records = generators.tick(records, number)
    return made


@pytest.fixture
def redis_away(policy: SnapshotPolicy, settings: Any) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"


def form(policy: SnapshotPolicy, **changes: Any) -> dict[str, Any]:
    """What the page's form submits, changes made."""
    from snapshots.forms import SnapshotPolicyForm

    page = SnapshotPolicyForm(instance=policy)
    shown = {name: page[name].value() for name in page.fields}
    values = {**shown, **{f"initial-{name}": value for name, value in shown.items()}, **changes}
    return {name: value for name, value in values.items() if value not in (None, False)}


@pytest.mark.parametrize("path", ["/snapshots/", "/snapshots/policies/{}/", "/snapshots/live/test/"])
def test_a_stranger_is_sent_to_the_login(client: Client, policy: SnapshotPolicy, path: str) -> None:
    answer = client.get(path.format(policy.pk))
    assert (answer.status_code, answer["Location"].startswith("/login/")) == (302, True)


def test_the_list_has_a_row_for_each_snapshot(ana: Client, policy: SnapshotPolicy) -> None:
    text = ana.get("/snapshots/").content.decode()
    assert "<html" in text and f"/snapshots/policies/{policy.pk}/" in text and "/snapshots/live/test/" in text
    assert "+ 3 deltas" in text and ">60<" in text
    assert 'aria-current="page">Snapshots' in text
    poll = ana.get("/snapshots/", headers=HTMX).content.decode()
    assert "<html" not in poll and 'id="read-at"' in poll and "+ 3 deltas" in poll


def test_a_list_without_policies_says_what_to_do(ana: Client, redis: redis_library.Redis) -> None:
    SnapshotPolicy.objects.all().delete()
    assert "No snapshot policy." in ana.get("/snapshots/").content.decode()


def test_the_page_tells_builds_chain_and_profile(ana: Client, policy: SnapshotPolicy) -> None:
    text = ana.get(f"/snapshots/policies/{policy.pk}/").content.decode()
    assert "<b>first</b>: first build" in text and "every change is published" in text
    assert "Chain broken" not in text and "no test restore in the last 7 days" in text
    poll = ana.get(f"/snapshots/policies/{policy.pk}/", headers=HTMX).content.decode()
    assert "<html" not in poll and "<form" not in poll and "<b>first</b>: first build" in poll


def test_a_broken_chain_is_told_with_when_and_why(
    ana: Client, policy: SnapshotPolicy, redis: redis_library.Redis
) -> None:
    redis.delete(KEYS.full)
    put(redis, RECORDS)
    services.build_snapshots(later(20))
    broken = ledger.chain_broken(policy)
    assert broken is not None and (broken.kind, broken.sequence) == ("full", 1)
    text = ana.get(f"/snapshots/policies/{policy.pk}/").content.decode()
    assert "Chain broken at 2026-03-09 14:30:20 UTC: " in text and "began again from the full" in text


def test_a_full_on_schedule_breaks_nothing(policy: SnapshotPolicy) -> None:
    services.build_snapshots(later(300))
    assert ledger.chain_broken(policy) is None


def test_a_failed_build_is_told_in_its_row(ana: Client, policy: SnapshotPolicy, redis: redis_library.Redis) -> None:
    redis.delete("test:source")
    services.build_snapshots(later(20))
    text = ana.get(f"/snapshots/policies/{policy.pk}/").content.decode()
    assert "■ failed" in text and "the hash test:source is not there, or empty." in text


def test_a_test_restore_rebuilds_what_is_published_and_is_kept(
    ana: Client, policy: SnapshotPolicy, redis: redis_library.Redis
) -> None:
    page = f"/snapshots/policies/{policy.pk}/"
    answer = ana.post(f"{page}restore", follow=True)
    text = answer.content.decode()
    assert "Rebuilt 60 tickers at sequence 4." in text
    assert "full 1 + 3 deltas" in text and "checksum equal" in text
    kept = ledger.last_restore("test")
    assert kept is not None and (kept.tickers, kept.deltas, kept.error) == (60, 3, "")
    assert kept.read_bytes == redis.strlen(KEYS.full) + sum(
        len(fields[b"document"]) for _, fields in redis.xrange(KEYS.deltas)
    )
    assert 0 < redis.ttl("snapshot:{test}:restore") <= 7 * 24 * 3600


def test_beat_restores_what_is_published_and_leaves_out_what_is_not(policy: SnapshotPolicy, redis: Any) -> None:
    [done] = ledger.test_restores(now=later(0))
    assert (done.tickers, done.error) == (60, "")
    redis.delete(KEYS.head)
    assert ledger.test_restores(now=later(1)) == ()


def test_a_restore_that_finds_a_broken_chain_says_where(
    ana: Client, policy: SnapshotPolicy, redis: redis_library.Redis
) -> None:
    entry, fields = redis.xrange(KEYS.deltas)[1]
    others = redis.xrange(KEYS.deltas, min=f"({entry.decode()}")
    redis.xtrim(KEYS.deltas, maxlen=1, approximate=False)
    redis.delete(KEYS.deltas)
    redis.xadd(KEYS.deltas, {"document": b"{}"}, id="2-0")
    for id, more in [(entry, fields), *others]:
        redis.xadd(KEYS.deltas, more, id=id)
    text = ana.post(f"/snapshots/policies/{policy.pk}/restore", follow=True).content.decode()
    assert "The chain is broken at delta 2" in text and "■ failed" in text


def test_nothing_published_and_one_at_a_time_are_told(ana: Client, policy: SnapshotPolicy, redis: Any) -> None:
    redis.delete(KEYS.head)
    text = ana.post(f"/snapshots/policies/{policy.pk}/restore", follow=True).content.decode()
    assert "Not restored: snapshot test: nothing is published" in text


@pytest.mark.django_db(transaction=True)
def test_a_second_restore_waits_for_nobody(policy: SnapshotPolicy) -> None:
    from threading import Thread

    from django.db import connection

    said: list[str] = []

    def second() -> None:
        try:
            ledger.test_restore(policy, now=later(0))
        except ledger.RestoreUnderWay as error:
            said.append(str(error))
        finally:
            connection.close()

    with one_at_a_time("snapshots.restore") as mine:
        assert mine
        thread = Thread(target=second)
        thread.start()
        thread.join()
    assert said == ["Another test restore is under way; try again in a moment."]


def test_the_form_saves_what_changed_and_audits_it(ana: Client, policy: SnapshotPolicy) -> None:
    page = f"/snapshots/policies/{policy.pk}/"
    answer = ana.post(page, form(policy, compression_level="3"), follow=True)
    assert "test: saved. The next build obeys it." in answer.content.decode()
    policy.refresh_from_db()
    assert policy.compression_level == 3
    assert "compression_level: 9 → 3" in LogEntry.objects.latest("id").get_change_message()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"compression_level": "20"}, "compression_level must be from 1 to 19"),
        ({"name": "a b"}, "name must be letters, digits"),
        ({"build_interval": "1"}, "build_interval must be between five seconds and one day"),
        ({"max_delta_ratio": "0"}, "max_delta_ratio must be above 0"),
    ],
)
def test_what_the_rules_refuse_is_told_and_not_saved(
    ana: Client, policy: SnapshotPolicy, change: dict[str, str], sentence: str
) -> None:
    answer = ana.post(f"/snapshots/policies/{policy.pk}/", form(policy, **change))
    assert (answer.status_code, sentence in answer.content.decode()) == (422, True)
    assert "<h1>test " in answer.content.decode()
    before = policy.compression_level, policy.name, policy.build_interval, policy.max_delta_ratio
    policy.refresh_from_db()
    assert before == (policy.compression_level, policy.name, policy.build_interval, policy.max_delta_ratio)


def test_who_may_only_look_sees_all_and_changes_nothing(client: Client, policy: SnapshotPolicy) -> None:
    client.force_login(get_user_model().objects.create_user("reader"))
    page = f"/snapshots/policies/{policy.pk}/"
    text = client.get(page).content.decode()
    assert "You may look at this policy, not change it." in text and "Rebuild it now" not in text
    assert client.post(page, form(policy, compression_level="3")).status_code == 403
    assert client.post(f"{page}restore").status_code == 403
    assert client.get(f"{page}restore").status_code == 405
    policy.refresh_from_db()
    assert policy.compression_level == 9


def test_without_redis_the_pages_say_so_and_the_policy_can_be_edited(
    ana: Client, policy: SnapshotPolicy, redis_away: None
) -> None:
    listed = ana.get("/snapshots/")
    assert listed.status_code == 200 and "Redis does not answer" in listed.content.decode()
    page = ana.get(f"/snapshots/policies/{policy.pk}/").content.decode()
    assert "Redis does not answer" in page and "<b>first</b>: first build" in page
    assert ana.post(f"/snapshots/policies/{policy.pk}/", form(policy, compression_level="3")).status_code == 302
    assert "Redis does not answer" in ana.get("/snapshots/live/test/").content.decode()
    text = ana.post(f"/snapshots/policies/{policy.pk}/restore", follow=True).content.decode()
    assert "Not restored: " in text


# --- the live table's page, as it comes ------------------------------------------------------------------------------


def rows_in(page: str) -> int:
    """Of what the page is about; the sheet of keys has rows, too."""
    return page[page.index("<main") : page.index("</main>")].count('<tr><th scope="row">')


def test_the_first_rows_of_the_newest_full_come_with_the_page(
    ana: Client, policy: SnapshotPolicy, redis: redis_library.Redis
) -> None:
    text = ana.get("/snapshots/live/test/").content.decode()
    assert "first 50 of 60 tickers" in text
    assert rows_in(text) == 50
    assert 'data-list="test"' in text and 'data-every="5000"' in text
    assert "<script>" not in text and " style=" not in text
    put(redis, changed())
    redis.delete(KEYS.head)
    services.build_snapshots(later(20))
    again = ana.get("/snapshots/live/test/").content.decode()
    assert rows_in(again) == 2 and "<td>101.5</td>" in again


def test_a_list_that_nobody_publishes_says_what_makes_it_appear(ana: Client, redis: redis_library.Redis) -> None:
    policy = make_policy()
    text = ana.get("/snapshots/live/test/").content.decode()
    assert "nothing is published" in text and "The worker builds it within 5 s" in text
    SnapshotPolicy.objects.update(enabled=False)
    assert "Its policy is switched off" in ana.get("/snapshots/live/test/").content.decode()
    assert f"/snapshots/policies/{policy.pk}/" in ana.get("/snapshots/live/test/").content.decode()
    assert "when a service publishes under this name" in ana.get("/snapshots/live/other/").content.decode()
    assert ana.get("/snapshots/live/a b/").status_code == 404


def test_a_managers_list_is_shown_without_a_policy_and_what_it_holds_is_escaped(
    ana: Client, redis: redis_library.Redis
) -> None:
    sync.SnapshotManager(redis, name="theirs").save_snapshot({"<b>": {"x": "<i>", "y": [1, {}], "z": None}})
    text = ana.get("/snapshots/live/theirs/").content.decode()
    assert "&lt;b&gt;" in text and "&lt;i&gt;" in text and "<i>" not in text


def test_a_managers_list_with_a_policy_is_told_by_what_is_published(ana: Client, redis: redis_library.Redis) -> None:
    SnapshotPolicy.objects.all().delete()
    theirs = make_policy("theirs", source_kind="manager", source_key="")
    assert "when its SnapshotManager saves the first" in ana.get("/snapshots/live/theirs/").content.decode()
    sync.SnapshotManager(redis, name="theirs").save_snapshot(RECORDS)
    listed = ana.get("/snapshots/").content.decode()
    assert "published by a service" in listed and "Never built" not in listed and " s ago</td>" in listed
    text = ana.get(f"/snapshots/policies/{theirs.pk}/").content.decode()
    assert "its builds are not on record here" in text
