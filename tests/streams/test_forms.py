"""forms and admin: one set of rules at every door, each error under its field, and the row unchanged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_library
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import path, reverse

from streams import store
from streams.forms import MaxlenForm, StreamLimitForm
from streams.models import StreamLimit, TrimRun
from tests.streams.factories import fill, make_row

Redis = redis_library.Redis
urlpatterns = [path("admin/", admin.site.urls)]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.usefixtures("no_limits")]

VALID = {
    "pattern": "orders",
    "priority": 0,
    "maxlen": "1000",
    "trim_threshold": "1200",
    "trim_interval": "30",
    "approximate": "on",
    "protect_groups": "on",
    "hard_maxlen": "3000",
    "enabled": "on",
    "note": "",
}
MISTAKES = [
    ({"maxlen": "0"}, "maxlen"),
    ({"maxlen": "-1"}, "maxlen"),
    ({"maxlen": str(2**63)}, "maxlen"),
    ({"maxlen": "9" * 5000}, "maxlen"),
    ({"maxlen": "many"}, "maxlen"),
    ({"maxlen": ""}, "maxlen"),
    ({"maxlen": "1.5"}, "maxlen"),
    ({"trim_threshold": "999"}, "trim_threshold"),
    ({"trim_threshold": "many"}, "trim_threshold"),
    ({"trim_interval": "0"}, "trim_interval"),
    ({"trim_interval": "86401"}, "trim_interval"),
    ({"trim_interval": "soon"}, "trim_interval"),
    ({"hard_maxlen": "1199"}, "hard_maxlen"),
    ({"hard_maxlen": ""}, "hard_maxlen"),
    ({"hard_maxlen": "many"}, "hard_maxlen"),
    ({"pattern": ""}, "pattern"),
    ({"pattern": ":version"}, "pattern"),
    ({"pattern": "a\x00b"}, "pattern"),
]


@pytest.mark.parametrize(("changes", "field"), MISTAKES)
def test_each_mistake_is_told_under_its_field_alone(changes: dict[str, str], field: str) -> None:
    for form in (StreamLimitForm({**VALID, **changes}), StreamLimitForm({**VALID, **changes}, instance=make_row("x"))):
        assert list(form.errors) == [field]


def test_what_is_valid_is_valid() -> None:
    form = StreamLimitForm(VALID)
    assert form.is_valid(), form.errors
    unprotected = StreamLimitForm({**VALID, "protect_groups": "", "hard_maxlen": ""})
    assert unprotected.is_valid(), unprotected.errors


def test_a_stream_has_one_limit() -> None:
    make_row("orders")
    assert list(StreamLimitForm(VALID).errors) == ["pattern"]


def test_the_form_shows_what_is_in_force_and_hands_on_what_changed() -> None:
    row = make_row(trim_interval=timedelta(seconds=45))
    shown = StreamLimitForm(instance=row)
    assert shown["trim_interval"].value() == "00:00:45"
    form = StreamLimitForm({**VALID, "trim_interval": "45", "note": "new"} | initials(shown), instance=row)
    assert form.is_valid(), form.errors
    assert form.changes() == {"note": "new"}


def test_saving_one_field_of_an_old_page_does_not_put_the_others_back() -> None:
    page = initials(StreamLimitForm(instance=make_row()))
    StreamLimit.objects.update(maxlen=1100)  # by somebody else, while the page is open
    form = StreamLimitForm({**VALID, "note": "new"} | page, instance=StreamLimit.objects.get())
    assert form.is_valid(), form.errors
    assert form.changes() == {"note": "new"}


@pytest.mark.parametrize(
    ("field", "saved", "spelled", "mine"),
    [("maxlen", 1100, "“1100”", "950"), ("trim_interval", timedelta(seconds=45), "“00:00:45”", "60")],
)
def test_a_field_that_two_people_changed_is_refused_once_with_both_values(
    field: str, saved: Any, spelled: str, mine: str
) -> None:
    page = initials(StreamLimitForm(instance=make_row()))
    StreamLimit.objects.update(**{field: saved})  # by somebody else, while the page is open
    form = StreamLimitForm({**VALID, field: mine} | page, instance=StreamLimit.objects.get())
    assert not form.is_valid()
    assert form.errors.keys() == {field}
    assert f"Someone saved {spelled} meanwhile" in form.errors[field][0]
    # What the page carries now is what was saved: the same button, pressed again, is an answer to that.
    again = StreamLimitForm({**VALID, field: mine} | initials_of_page(form), instance=StreamLimit.objects.get())
    assert again.is_valid(), again.errors
    assert again.changes().keys() == {field}


def test_two_people_who_saved_the_same_need_not_be_asked() -> None:
    page = initials(StreamLimitForm(instance=make_row()))
    StreamLimit.objects.update(maxlen=950)
    form = StreamLimitForm({**VALID, "maxlen": "950"} | page, instance=StreamLimit.objects.get())
    assert form.is_valid(), form.errors


def test_maxlen_alone_shows_both_as_well() -> None:
    row = make_row()
    StreamLimit.objects.update(maxlen=1100)
    data = {"maxlen": "950", "initial-maxlen": str(row.maxlen)}
    form = MaxlenForm(data, instance=StreamLimit.objects.get())
    assert "Someone saved “1100” meanwhile; this page had shown “1000”" in form.errors["maxlen"][0]
    again = MaxlenForm({"maxlen": "950", "initial-maxlen": form.shown}, instance=StreamLimit.objects.get())
    assert again.is_valid() and again.changes()["maxlen"] == 950


def initials_of_page(form: StreamLimitForm) -> dict[str, str]:
    """As initials, of a form that was sent and is shown again."""
    return {field.html_initial_name: form.data[field.html_initial_name] for field in form}


def initials(form: StreamLimitForm) -> dict[str, str]:
    """The hidden fields that the page carries: what it showed."""
    shown = {field.html_initial_name: field.field.hidden_widget().format_value(field.value()) for field in form}
    return {name: "" if value is None else str(value) for name, value in shown.items()}


# --- maxlen alone ----------------------------------------------------------------------------------------------------


def test_maxlen_alone_moves_nothing_that_stays_valid() -> None:
    form = MaxlenForm({"maxlen": "500"}, instance=make_row())
    assert form.is_valid()
    assert form.changes() == {"maxlen": 500}
    assert form.saved_sentence() == "maxlen 1,000 → 500."


def test_maxlen_alone_takes_threshold_and_ceiling_along_and_says_so() -> None:
    form = MaxlenForm({"maxlen": "5000"}, instance=make_row())
    assert form.is_valid(), form.errors
    assert form.changes() == {"maxlen": 5000, "trim_threshold": 6000, "hard_maxlen": 15_000}
    assert form.saved_sentence() == (
        "maxlen 1,000 → 5,000; with it trim_threshold 1,200 → 6,000 and hard_maxlen 3,000 → 15,000."
    )


def test_maxlen_alone_unchanged() -> None:
    form = MaxlenForm({"maxlen": "1000"}, instance=make_row())
    assert form.is_valid()
    assert form.changes() == {}
    assert form.saved_sentence() == "maxlen stays 1,000."


@pytest.mark.parametrize("written", ["0", "-1", str(2**63), "9" * 5000, "many", "", "1.5"])
def test_maxlen_alone_knows_the_same_mistakes(written: str) -> None:
    form = MaxlenForm({"maxlen": written}, instance=make_row())
    assert list(form.errors) == ["maxlen"]


# --- admin -----------------------------------------------------------------------------------------------------------


def test_admin_saves_as_the_page_does(
    redis: Redis, admin_client: Client, admin_user: Any, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    row = make_row()
    fill(redis, "orders", 1150)
    with django_capture_on_commit_callbacks(execute=True):
        url = reverse("admin:streams_streamlimit_change", args=[row.pk])
        assert admin_client.post(url, {**VALID, "maxlen": "500"}).status_code == 302
    row.refresh_from_db()
    assert (row.maxlen, row.updated_by) == (500, admin_user)
    assert b'"maxlen": 500,' in store.read_published(redis).limits["orders"]
    assert redis.xlen("orders") <= 599
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(("changes", "field"), MISTAKES)
def test_admin_knows_the_same_mistakes(admin_client: Client, changes: dict[str, str], field: str) -> None:
    row = make_row("unchanged")
    for url in (reverse("admin:streams_streamlimit_change", args=[row.pk]), reverse("admin:streams_streamlimit_add")):
        answer = admin_client.post(url, {**VALID, **changes})
        assert answer.status_code == 200
        assert list(answer.context["adminform"].form.errors) == [field]
    assert list(StreamLimit.objects.values_list("pattern", "maxlen", "trim_threshold")) == [("unchanged", 1000, 1200)]
    assert not LogEntry.objects.exists()


def test_admin_adds_switches_and_deletes(
    redis: Redis, admin_client: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    listed = reverse("admin:streams_streamlimit_changelist")
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(reverse("admin:streams_streamlimit_add"), VALID)
        admin_client.post(reverse("admin:streams_streamlimit_add"), {**VALID, "pattern": "trades"})
    orders, trades = StreamLimit.objects.all()
    for action, enabled in (("switch_off", False), ("switch_on", True), ("switch_off", False)):
        with django_capture_on_commit_callbacks(execute=True):
            admin_client.post(listed, {"action": action, "_selected_action": [orders.pk, trades.pk]})
        assert set(StreamLimit.objects.values_list("enabled", flat=True)) == {enabled}
    assert b'"enabled": false' in store.read_published(redis).limits["trades"]
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(reverse("admin:streams_streamlimit_delete", args=[orders.pk]), {"post": "yes"})
    assert store.read_published(redis).limits.keys() == {"trades"}
    with django_capture_on_commit_callbacks(execute=True):
        chosen = {"action": "delete_selected", "_selected_action": [trades.pk], "post": "yes"}
        admin_client.post(listed, chosen)
    assert store.read_published(redis).limits == {}
    assert LogEntry.objects.count() == 2 + 6 + 2


def test_history_is_read_and_not_written_in_admin(admin_client: Client) -> None:
    run = TrimRun.objects.create(
        stream="orders", started_at="2026-03-02T14:30Z", finished_at="2026-03-02T14:30Z", outcome="done"
    )
    assert admin_client.get(reverse("admin:streams_trimrun_changelist")).status_code == 200
    change = reverse("admin:streams_trimrun_change", args=[run.pk])
    assert admin_client.get(change).status_code == 200
    assert admin_client.post(change, {"stream": "x"}).status_code == 403
    assert admin_client.get(reverse("admin:streams_trimrun_add")).status_code == 403
    assert admin_client.post(reverse("admin:streams_trimrun_delete", args=[run.pk]), {"post": "yes"}).status_code == 403


def test_whoever_may_not_change_limits_sees_no_actions(client: Client, django_user_model: Any) -> None:
    reader = django_user_model.objects.create_user("reader", password="r", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_streamlimit"))
    row = make_row()
    client.force_login(reader)
    url = reverse("admin:streams_streamlimit_change", args=[row.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {**VALID, "maxlen": "1"}).status_code == 403
    client.post(reverse("admin:streams_streamlimit_changelist"), {"action": "switch_off", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert (row.maxlen, row.enabled) == (1000, True)
