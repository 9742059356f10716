"""Changes: who, when, what, from what to what; taken back, also when deleted; what they did, as measured."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from streams import services
from streams.models import StreamLimit
from streams.services.effects import read_effects
from tests.streams.factories import fill, make_row, make_sample
from tradeul_ops import audit
from tradeul_ops.console import changes as page
from tradeul_ops.console.changes import address_of

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    """Logged in, with every permission."""
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


@pytest.fixture
def orders(db: None, redis: redis_library.Redis) -> StreamLimit:
    StreamLimit.objects.all().delete()
    return make_row("orders", 1000)


def _edit(row: StreamLimit, **values: object) -> LogEntry:
    user = get_user_model().objects.get(username="ana")
    services.update_limit(row.pk, values, user_id=user.pk, now=timezone.now())
    return LogEntry.objects.latest("id")


def test_a_change_says_who_what_and_from_what_to_what(ana: Client, orders: StreamLimit) -> None:
    _edit(orders, maxlen=900, trim_interval=timedelta(seconds=45))
    text = ana.get("/changes/").content.decode()
    assert "<html" in text and f'<a href="/streams/limits/{orders.pk}/"><code>orders' in text
    assert "<code>maxlen</code> 1,000 → 900" in text and "<code>trim_interval</code> 30 s → 45 s" in text
    fragment = ana.get("/changes/", headers=HTMX).content.decode()
    assert "<html" not in fragment and "1,000 → 900" in fragment


def test_the_address_chooses_an_object_and_a_person(ana: Client, orders: StreamLimit) -> None:
    other = make_row("trades", 500)
    _edit(orders, maxlen=900)
    _edit(other, maxlen=400)
    assert [change.name for change in ana.get("/changes/").context["changes"].rows] == [str(other), str(orders)]
    of_one = ana.get(address_of(orders)).context["changes"]
    assert [change.moves for change in of_one.rows] == [(("maxlen", 1000, 900),)]
    get_user_model().objects.create_user("bo")
    assert len(ana.get("/changes/?by=ana").context["changes"].rows) == 2
    nonsense = ana.get("/changes/?of=streamlimit.x&by=nobody&page=many").context["changes"]
    assert (len(nonsense.rows), nonsense.of, nonsense.by) == (2, "", "")


def test_they_are_paged(ana: Client, orders: StreamLimit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PER_PAGE", 2)
    for maxlen in (900, 800, 700):
        _edit(orders, maxlen=maxlen)
    text = ana.get("/changes/?page=2&by=ana").content.decode()
    assert "page 2 of 2" in text and "1,000 → 900" in text and "800 → 700" not in text
    assert 'href="/changes/?page=1&amp;by=ana"' in text


def test_a_change_is_taken_back_from_here(ana: Client, orders: StreamLimit) -> None:
    line = _edit(orders, maxlen=900)
    assert f'action="/streams/changes/{line.pk}/revert"' in ana.get("/changes/").content.decode()
    ana.post(f"/streams/changes/{line.pk}/revert")
    orders.refresh_from_db()
    assert orders.maxlen == 1000
    assert ana.get("/changes/").context["changes"].rows[0].moves == (("maxlen", 900, 1000),)


def test_a_deleted_limit_is_made_again_from_here(ana: Client, orders: StreamLimit) -> None:
    user = get_user_model().objects.get()
    services.delete_limit(orders.pk, user_id=user.pk, now=timezone.now())
    (change,) = ana.get("/changes/").context["changes"].rows
    assert (change.what, change.link, change.revertible) == ("deleted", "", True)
    ana.post(f"/streams/changes/{change.id}/revert")
    assert StreamLimit.objects.get().maxlen == 1000


def test_who_may_only_read_is_offered_no_way_back(ana: Client, client: Client, orders: StreamLimit) -> None:
    line = _edit(orders, maxlen=900)
    reader = get_user_model().objects.create_user("bo")
    reader.user_permissions.add(Permission.objects.get(codename="view_streamlimit"))
    client.force_login(reader)
    text = client.get("/changes/").content.decode()
    assert "1,000 → 900" in text and "Take back" not in text
    assert client.post(f"/streams/changes/{line.pk}/revert").status_code == 403


def test_its_measured_effect_stands_beside_it(ana: Client, orders: StreamLimit) -> None:
    line = _edit(orders, maxlen=900)
    at = timezone.now() - timedelta(minutes=61)
    LogEntry.objects.filter(pk=line.pk).update(action_time=at)
    for after, length in ((-15, 5000), (-5, 4990), (20, 2000), (55, 910), (300, 905), (595, 903), (3500, 902)):
        make_sample(at=at + timedelta(seconds=after), length=length, bytes=length * 10)
    (change,) = ana.get("/changes/").context["changes"].rows
    assert change.effect.before.length == 4990
    assert [step.measured and step.measured.length for step in change.effect.steps] == [910, 903, 902]
    text = ana.get("/changes/").content.decode()
    assert "<dd><span" in text and "4,990, 49.9 KB" in text and "910, 9.1 KB" in text


def test_what_is_not_there_yet_and_what_was_never_sampled_are_told_apart(db: None) -> None:
    now = timezone.now()
    make_sample(at=now - timedelta(minutes=3, seconds=10), length=500)
    effects = read_effects({1: ("orders", now - timedelta(minutes=3)), 2: ("none", now - timedelta(days=1))}, now=now)
    assert effects[1].before is not None
    assert [(step.measured, step.ahead) for step in effects[1].steps] == [(None, False), (None, True), (None, True)]
    assert not effects[2].known and not any(step.ahead for step in effects[2].steps)


def test_a_pattern_of_many_streams_has_no_one_effect(ana: Client, orders: StreamLimit) -> None:
    many = make_row("orders:*", 1000)
    _edit(many, maxlen=900)
    make_sample(stream="orders:*", at=timezone.now() - timedelta(seconds=5))
    assert ana.get("/changes/").context["changes"].rows[0].effect is None


def test_a_poll_costs_the_same_for_two_changes_and_forty(ana: Client, orders: StreamLimit) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert ana.get("/changes/", headers=HTMX).status_code == 200
        return len(queries)

    user = get_user_model().objects.get()
    for _ in range(2):
        audit.record(user_id=user.pk, row=orders, flag=audit.CHANGED, changes={"maxlen": (1, 2)})
    cost()  # a process asks once what the content types are
    few = cost()
    for _ in range(38):
        audit.record(user_id=user.pk, row=orders, flag=audit.CHANGED, changes={"maxlen": (1, 2)})
    assert cost() == few
    assert few <= 14


def test_what_was_predicted_stands_beside_what_was_measured_and_why_they_differ(
    ana: Client, orders: StreamLimit, redis: redis_library.Redis
) -> None:
    fill(redis, "orders", 950)
    line = _edit(orders, maxlen=600, trim_threshold=700)
    at = timezone.now() - timedelta(minutes=61)
    LogEntry.objects.filter(pk=line.pk).update(action_time=at)
    for after, length in ((-5, 950), (55, 600), (595, 2900), (3500, 20)):
        make_sample(at=at + timedelta(seconds=after), length=length, bytes=length * 10)
    (change,) = ana.get("/changes/").context["changes"].rows
    assert change.prediction.keeps == 600
    first, second, third = (why for _, why in change.steps)
    assert first == ""
    assert second.startswith("longer: ") and "ceiling" in second
    assert third.startswith("shorter: ")
    text = ana.get("/changes/").content.decode()
    assert "as predicted" in text and second in text and third in text
