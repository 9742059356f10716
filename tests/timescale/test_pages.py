"""The hypertable pages on each edition, as a person and as htmx ask for them, and as someone who may only look."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.timescale.factories import DAY, HOUR, copy_scans, form_data, scan
from tests.timescale.test_policies import sql
from timescale import services
from timescale.engine.edition import Edition
from timescale.forms import AdminHypertablePolicyForm, HypertablePolicyForm
from timescale.metrics import hypertables_summary
from timescale.models import AggregatePolicy, HypertablePolicy, TableAction

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ana(database) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    return client


@pytest.fixture
def policy(ana) -> HypertablePolicy:
    return HypertablePolicy.objects.get(table_name="scan_results")


def page_of(row: HypertablePolicy | AggregatePolicy) -> str:
    kind = "tables" if isinstance(row, HypertablePolicy) else "aggregates"
    return f"/hypertables/{kind}/{row.pk}/"


def edit(policy: HypertablePolicy, **changes: str) -> dict[str, str]:
    data = form_data(HypertablePolicyForm, policy)
    return {name: value for name, value in (data | changes).items() if value != ""}


def test_the_list_names_every_table_and_what_the_edition_lacks(ana, edition):
    services.reconcile_policies()
    text = ana.get("/hypertables/").content.decode()
    for name in ("scan_results", "volume_slots", "scan_results_1min", "scan_results_1hour"):
        assert f"<code>{name}</code>" in text
    lacks = "Not available here: " in text
    assert lacks is (edition is not Edition.COMMUNITY)
    if edition is Edition.NONE:
        assert "shared_preload_libraries" in text and "no hypertable" in text
    fragment = ana.get("/hypertables/", headers=HTMX).content.decode()
    assert "<html" not in fragment and 'id="read-at"' in fragment


def test_the_list_is_sorted_by_its_address(ana, database):
    copy_scans(scan(timezone.now() - n * HOUR) for n in range(30))
    named = r'hypertables/tables/\d+/"><code>(\w+)</code>'
    biggest = re.findall(named, ana.get("/hypertables/?sort=-size").content.decode())
    assert biggest[0] == "scan_results"
    assert re.findall(named, ana.get("/hypertables/?sort=size").content.decode())[-1] == "scan_results"
    text = ana.get("/hypertables/?sort=-table").content.decode()
    assert re.findall(named, text) == sorted(biggest, reverse=True)
    assert 'aria-sort="descending"' in text and "sort=table" in text
    assert len(re.findall(named, ana.get("/hypertables/?sort=nonsense").content.decode())) == 4


def test_a_disk_is_told_when_it_is_full(ana):
    for said, answer in (("0.001", "larger than"), ("100", "nobody can say yet"), ("x", "A number of gigabytes")):
        assert answer in ana.get("/hypertables/", {"disk_gb": said}).content.decode()


@pytest.mark.parametrize("named", ["scan_results", "volume_slots", "scan_results_1min", "scan_results_1hour"])
def test_each_page_shows_its_policy_and_its_state(ana, edition, named):
    services.reconcile_policies()
    copy_scans(scan(timezone.now() - n * HOUR) for n in range(3))
    row = (
        HypertablePolicy.objects.filter(table_name=named).first()
        or AggregatePolicy.objects.filter(view_name=named).first()
    )
    text = ana.get(page_of(row)).content.decode()
    assert f"<code>{named}</code>" in text and "drop_after" in text
    assert ("in sync" in text) is (edition is Edition.COMMUNITY)
    assert ('class="strip"' in text) is (edition is not Edition.NONE and named == "scan_results")
    fragment = ana.get(page_of(row), headers=HTMX).content.decode()
    assert "<html" not in fragment and 'name="drop_after"' not in fragment


def test_a_mistake_stands_under_its_field_in_page_and_admin(ana, policy):
    for field, value, says in (
        ("drop_after", "-1 00:00:00", "drop_after must be positive."),
        ("columnstore_after", "4 00:00:00", "columnstore_after must be below drop_after"),
        ("columnstore_after", "00:30:00", "must not be below chunk_time_interval"),
        ("segmentby", "simbol", "scan_results has no column simbol"),
        ("segmentby", "time", "segmentby must not name time"),
        ("orderby", "symbol DESC", "orderby must not name symbol"),
        ("drop_after", "not a time", "Enter a valid duration"),
    ):
        answer = ana.post(page_of(policy), edit(policy, **{field: value}))
        assert answer.status_code == 422
        shown = re.search(rf'id="id_{field}-error">([^<]*)', answer.content.decode())
        assert shown and says in shown[1].replace("&#x27;", "'"), (field, value)
        admin = AdminHypertablePolicyForm(edit(policy, **{field: value}), instance=policy)
        assert says in " ".join(admin.errors[field])
        policy.refresh_from_db()
    assert policy.drop_after == 3 * DAY


def test_a_reach_over_two_rows_stands_under_the_field_that_was_edited(ana):
    minutes = AggregatePolicy.objects.get(view_name="scan_results_1min")
    data = {"start_offset": "4 00:00:00", "end_offset": "00:00:30", "schedule_interval": "00:00:30"}
    answer = ana.post(page_of(minutes), {**data, "drop_after": "30 00:00:00"}).content.decode()
    assert "refreshes 4 days back, but scan_results keeps 3 days" in answer.split('id="id_start_offset-error">')[1]
    data["start_offset"] = "01:00:00"
    answer = ana.post(page_of(minutes), {**data, "drop_after": "6 00:00:00"}).content.decode()
    assert "scan_results_1hour refreshes 7 days back" in answer.split('id="id_drop_after-error">')[1]


def test_shortening_is_previewed_agreed_to_and_undone(ana, policy, django_capture_on_commit_callbacks):
    copy_scans(scan(timezone.now() - n * HOUR) for n in (1, 30))
    asked = edit(policy, drop_after="1 00:00:00")
    fragment = ana.post(f"{page_of(policy)}preview", asked, headers=HTMX).content.decode()
    assert "for good" in fragment and "<html" not in fragment and "checked" not in fragment
    consent = re.search(r'name="consent" value="([^"]+)"', fragment)[1]
    refused = ana.post(page_of(policy), asked)
    assert refused.status_code == 422 and "first say whether this may go" in refused.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        saved = ana.post(page_of(policy), {**asked, "consent": consent}, follow=True).content.decode()
    assert "saved drop_after" in saved and "Undo: keep 3 d" in saved
    with django_capture_on_commit_callbacks(execute=True):
        undone = ana.post(f"{page_of(policy)}undo", follow=True).content.decode()
    assert "Undone" in undone and "Undo: keep" not in undone
    policy.refresh_from_db()
    assert policy.drop_after == 3 * DAY


def test_without_script_the_preview_is_the_page_with_what_was_typed(ana, policy):
    copy_scans([scan(timezone.now() - 30 * HOUR)])
    answer = ana.post(f"{page_of(policy)}preview", edit(policy, drop_after="1 00:00:00"))
    text = answer.content.decode()
    assert answer.status_code == 200 and "<html" in text
    assert "for good" in text and 'value="1 00:00:00"' in text and "first say" not in text


def test_admin_asks_for_the_same_consent(ana, policy):
    copy_scans([scan(timezone.now() - 30 * HOUR)])
    data = edit(policy, drop_after="1 00:00:00")
    form = AdminHypertablePolicyForm(data, instance=policy)
    [said] = form.errors["consent"]
    agree = re.search(r"write (\S+) here", said)[1]
    policy.refresh_from_db()
    assert AdminHypertablePolicyForm({**data, "consent": agree}, instance=policy).is_valid()
    url = f"/admin/timescale/hypertablepolicy/{policy.pk}/change/"
    assert "To save it nevertheless" in ana.post(url, data).content.decode()
    assert ana.post(url, {**data, "consent": agree}).status_code == 302
    policy.refresh_from_db()
    assert policy.drop_after == DAY


def test_an_action_is_shown_then_confirmed_then_done(ana, policy, django_capture_on_commit_callbacks):
    copy_scans(scan(timezone.now() - n * HOUR) for n in (1, 30))
    asked = {"verb": "drop", "older_than": "1 00:00:00"}
    shown = ana.post(f"{page_of(policy)}act", asked).content.decode()
    assert "Drop now what is older than 1 day" in shown and "There is no undo." in shown
    assert not TableAction.objects.exists()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown))
    with django_capture_on_commit_callbacks(execute=True):
        ana.post(f"{page_of(policy)}act", hidden)
    text = ana.get(page_of(policy)).content.decode()
    assert "drop now" in text and "Dropped 1 rows" in text


def test_who_may_only_look_changes_nothing(database, policy):
    copy_scans([scan(timezone.now() - 30 * HOUR)])
    looker = Client()
    user = User.objects.create_user("looker")
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    looker.force_login(user)
    text = looker.get(page_of(policy)).content.decode()
    assert "You may look at this policy, not change it." in text
    assert not {"Adopt", "Re-apply", "Run here", "Look</button>"} & set(re.findall(r"<button[^>]*>([^<]+)", text))
    for path in ("", "preview", "drift", "undo", "act", "retry"):
        asked = {"verb": "drop", "aspect": "retention", "confirmed": "yes", "consent": "x", "drop_after": "1"}
        assert looker.post(page_of(policy) + path, asked).status_code == 403
    policy.refresh_from_db()
    assert policy.drop_after == 3 * DAY and not TableAction.objects.exists()


def test_a_stranger_sees_nothing_and_get_changes_nothing(ana, policy):
    assert Client().get("/hypertables/").status_code == 302
    assert Client().get(page_of(policy)).status_code == 302
    for path in ("preview", "drift", "undo", "act", "retry"):
        assert ana.get(page_of(policy) + path).status_code == 405
    assert ana.get("/hypertables/tables/99999/").status_code == 404


@pytest.mark.community
def test_drift_is_shown_with_its_sql_and_resolved_after_a_confirmation(community, django_capture_on_commit_callbacks):
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    services.reconcile_policies()
    policy = HypertablePolicy.objects.get(table_name="scan_results")
    sql("SELECT remove_retention_policy('scan_results')")
    sql("SELECT add_retention_policy('scan_results', INTERVAL '9 days', schedule_interval => INTERVAL '1 hour')")
    text = client.get(page_of(policy)).content.decode()
    assert "changed in database" in text and "SELECT add_retention_policy" in text
    assert 'name="drop_after" value="9 00:00:00"' in text  # what is in force, not what the row says
    assert 'name="initial-drop_after" value="9 00:00:00"' in text
    for do, says in (("adopt", "The database itself is not changed."), ("reapply", "What runs, in one transaction")):
        shown = client.post(f"{page_of(policy)}drift", {"aspect": "retention", "do": do}).content.decode()
        assert says in shown
        policy.refresh_from_db()
        assert policy.drop_after == 3 * DAY
    shown = client.post(f"{page_of(policy)}drift", {"aspect": "retention", "do": "adopt"}).content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown))
    with django_capture_on_commit_callbacks(execute=True):
        assert "Adopted" in client.post(f"{page_of(policy)}drift", hidden, follow=True).content.decode()
    policy.refresh_from_db()
    assert policy.drop_after == 9 * DAY
    again = client.post(f"{page_of(policy)}drift", {"aspect": "retention", "do": "adopt"}, follow=True)
    assert "is in sync: there is nothing to do" in again.content.decode()
    assert client.post(f"{page_of(policy)}drift", {"aspect": "nonsense"}).status_code == 403


def test_the_number_of_queries_does_not_grow_with_the_tables(database, edition):
    """2 more tables with chunks of their own, then 4 more: the catalogue is read at the same cost."""

    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            hypertables_summary(now=timezone.now())
        return len(seen)

    def add(*names: str) -> None:
        for name in names:
            sql(f"CREATE TABLE {name} (time timestamptz NOT NULL, x int)")
            if edition is not Edition.NONE:
                sql(f"SELECT create_hypertable('{name}', by_range('time', INTERVAL '1 hour'))")
            sql(f"INSERT INTO {name} SELECT now() - n * INTERVAL '1 hour', n FROM generate_series(0, 3) n")
            HypertablePolicy.objects.create(
                table_name=name,
                time_column="time",
                chunk_time_interval=HOUR,
                drop_after=DAY,
                retention_schedule_interval=HOUR,
            )

    HypertablePolicy.objects.all().delete()
    add("one", "two")
    services.reconcile_policies()
    two = cost()
    add("three", "four", "five", "six")
    services.reconcile_policies()
    assert len(hypertables_summary(now=timezone.now()).rows) == 6
    assert cost() == two
