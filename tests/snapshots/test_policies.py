"""The rules of a policy stand on its row, and every door that changes one leaves a line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from snapshots import services
from snapshots.engine.policies import from_wire, to_wire
from snapshots.engine.thresholds import GUIDE
from snapshots.forms import SnapshotPolicyForm
from snapshots.models import SnapshotBuild, SnapshotPolicy
from tests.snapshots.factories import NOW, make_policy

# WhiteNoise warns in every process that has no collected static files.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

WRONG = [
    ({"name": "a b"}, "name must be letters"),
    ({"name": "x{y}"}, "name must be letters"),
    ({"source_key": ""}, "source_key must not be empty"),
    ({"source_kind": "file"}, "source_kind must be one of"),
    ({"build_interval": timedelta(seconds=1)}, "build_interval must be between"),
    ({"full_snapshot_interval": timedelta(seconds=4)}, "full_snapshot_interval must be at least"),
    ({"full_ttl": timedelta(seconds=599)}, "full_ttl must be at least twice"),
    ({"delta_ttl": timedelta(0)}, "delta_ttl between one second"),
    ({"delta_compression_threshold": -1}, "must not be negative"),
    ({"compression_level": 20}, "from 1 to 19"),
    ({"max_delta_ratio": 0}, "max_delta_ratio must be above 0"),
    ({"profile": "loose"}, "profile must be one of"),
    ({"profile": "own"}, "thresholds must be given for the profile own"),
    ({"thresholds": "price 1%"}, "thresholds must be given for the profile own"),
    ({"profile": "own", "thresholds": "price"}, "thresholds must be one rule a line"),
    ({"profile": "own", "thresholds": "price 1%\n\nrvol five"}, "thresholds must be one rule a line"),
    ({"source_kind": "manager"}, "source_key must not be empty, but for"),
    ({"is_default": True}, "Another snapshot is the default"),
]


@pytest.fixture
def ana() -> User:
    return User.objects.create_superuser("ana", password="secret")


def test_the_guides_snapshot_is_there_after_migrating() -> None:
    policy = SnapshotPolicy.objects.get()
    assert (policy.name, policy.source_kind, policy.source_key) == ("enriched", "hash", "snapshot:enriched:latest")
    assert (policy.build_interval, policy.full_snapshot_interval) == (timedelta(seconds=5), timedelta(seconds=300))
    assert policy.is_default and policy.enabled
    assert policy.options.max_chain == 61


@pytest.mark.parametrize(("values", "sentence"), WRONG, ids=lambda value: str(value)[:40])
def test_a_rule_holds_in_the_form_and_in_the_database(values: dict[str, Any], sentence: str) -> None:
    policy = make_policy()
    form = SnapshotPolicyForm({**SnapshotPolicyForm(instance=policy).initial, **values}, instance=policy)
    assert not form.is_valid()
    if values not in ({"source_kind": "file"}, {"profile": "loose"}):  # these two Django refuses, in its own words
        assert sentence in str(form.errors)
    with pytest.raises(IntegrityError), transaction.atomic():
        SnapshotPolicy.objects.filter(name="test").update(**values)


@pytest.mark.parametrize(
    ("values", "profile"),
    [
        ({}, "exact"),
        ({"profile": "guide"}, GUIDE.profile),
        ({"profile": "own", "thresholds": "price 1%\r\n\r\n* wait\n"}, "price 1%, * wait"),
    ],
)
def test_a_profile_reaches_the_terms(values: dict[str, Any], profile: str) -> None:
    policy = make_policy(**values)
    policy.refresh_from_db()
    assert policy.terms.thresholds.profile == profile
    assert from_wire(to_wire(policy.terms), name="test") == policy.terms


def test_a_change_is_saved_with_its_line_and_only_the_change(ana: User) -> None:
    policy = make_policy()
    services.update_policy(policy.pk, {"build_interval": timedelta(seconds=10), "note": ""}, user_id=ana.pk)
    policy.refresh_from_db()
    assert (policy.build_interval, policy.updated_by) == (timedelta(seconds=10), ana)
    (line,) = LogEntry.objects.all()
    assert "build_interval: 0:00:05 → 0:00:10" in line.get_change_message()
    services.update_policy(policy.pk, {"build_interval": timedelta(seconds=10)}, user_id=ana.pk)
    assert LogEntry.objects.count() == 1


def test_a_change_that_breaks_a_rule_leaves_nothing(ana: User) -> None:
    policy = make_policy()
    with pytest.raises(ValidationError, match="full_ttl must be at least twice"):
        services.update_policy(policy.pk, {"full_ttl": timedelta(seconds=20)}, user_id=ana.pk)
    with pytest.raises(ValueError, match="no operator edits writer"):
        services.update_policy(policy.pk, {"writer": "x"}, user_id=ana.pk)
    assert not LogEntry.objects.exists()


def test_through_admin(ana: User, client: Client) -> None:
    """Add, change and delete; one line each."""
    client.force_login(ana)
    form = {
        key: value for key, value in SnapshotPolicyForm(instance=SnapshotPolicy()).initial.items() if value is not None
    }
    form |= {"name": "mine", "source_key": "key", "is_default": "", "enabled": "on"}
    assert client.post(reverse("admin:snapshots_snapshotpolicy_add"), form).status_code == 302
    policy = SnapshotPolicy.objects.get(name="mine")
    SnapshotBuild.objects.create(policy=policy, started_at=NOW, finished_at=NOW, outcome="done")
    change = reverse("admin:snapshots_snapshotpolicy_change", args=[policy.pk])
    page = client.get(change).context["adminform"].form
    shown = {page.add_prefix(name): page[name].value() for name in page.fields}
    shown |= {page.add_initial_prefix(name): page[name].value() for name in page.fields}
    shown = {key: value for key, value in shown.items() if value not in (None, False)}
    assert client.post(change, {**shown, "compression_level": 3}).status_code == 302
    policy.refresh_from_db()
    assert (policy.compression_level, policy.updated_by) == (3, ana)
    assert client.get(reverse("admin:snapshots_snapshotbuild_changelist")).status_code == 200
    assert (
        client.post(reverse("admin:snapshots_snapshotpolicy_delete", args=[policy.pk]), {"post": "yes"}).status_code
        == 302
    )
    assert not SnapshotPolicy.objects.filter(name="mine").exists()
    assert not SnapshotBuild.objects.exists()
    lines = LogEntry.objects.order_by("id").values_list("action_flag", "object_repr")
    assert list(lines) == [(1, "mine"), (2, "mine"), (3, "mine")]
    assert "compression_level: 9 → 3" in LogEntry.objects.get(action_flag=2).get_change_message()
