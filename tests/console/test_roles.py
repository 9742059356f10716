"""The three roles: what each may do, that every migration puts them right, and the command that makes an account."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.test import Client

from streams.models import StreamLimit
from tradeul_ops.console.roles import ROLES, make_roles


def _may(role: str) -> set[str]:
    group = Group.objects.get(name=role)
    return {f"{one.content_type.app_label}.{one.codename}" for one in group.permissions.select_related("content_type")}


def test_each_role_may_what_the_one_before_may_and_more(db: None) -> None:
    viewer, operator, administrator = (_may(role) for role in ROLES)
    assert viewer < operator < administrator
    assert all(name.partition(".")[2].startswith("view_") for name in viewer)
    assert {"streams.view_streamlimit", "snapshots.view_snapshotpolicy", "timescale.view_hypertablepolicy"} <= viewer


def test_what_ends_something_for_good_is_an_administrators(db: None) -> None:
    operator, administrator = _may("operator"), _may("administrator")
    assert {"streams.change_streamlimit", "timescale.act_on_tables"} <= operator
    assert {"streams.destroy_group", "streams.delete_streamlimit", "auth.change_user"} <= administrator - operator


def test_no_name_in_the_table_of_roles_is_misspelt(db: None) -> None:
    for role, names in ROLES.items():
        assert set(names) <= _may(role)


def test_a_migration_puts_a_role_right_and_leaves_other_groups_alone(db: None) -> None:
    destroy = Permission.objects.get(codename="destroy_group")
    viewer, mine = Group.objects.get(name="viewer"), Group.objects.create(name="mine")
    viewer.permissions.add(destroy)
    mine.permissions.add(destroy)
    Group.objects.get(name="operator").delete()
    make_roles(using="default")
    assert destroy not in viewer.permissions.all()
    assert list(mine.permissions.all()) == [destroy]
    assert Group.objects.filter(name="operator").exists()


def test_an_account_with_a_role(db: None, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a password of the test\n"))
    call_command("operator", "luis", role="viewer", stdout=io.StringIO())
    luis = get_user_model().objects.get(username="luis")
    assert not luis.is_superuser
    assert luis.has_perm("streams.view_streamlimit") and not luis.has_perm("streams.change_streamlimit")
    said = client.post("/login/", {"username": "luis", "password": "a password of the test"})
    assert said.status_code == 302
    limit = StreamLimit.objects.first()
    answer = client.post(f"/streams/limits/{limit.pk}/maxlen", {"maxlen": "5"})
    assert answer.status_code == 403
    assert "Your account may not do this" in answer.content.decode()


def test_an_account_without_a_role_may_everything(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a password of the test"))
    call_command("operator", "operator", stdout=io.StringIO())
    assert get_user_model().objects.get(username="operator").has_perm("streams.destroy_group")


def test_an_account_needs_a_password(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
    with pytest.raises(CommandError, match="No password"):
        call_command("operator", "luis")
    assert not get_user_model().objects.filter(username="luis").exists()
