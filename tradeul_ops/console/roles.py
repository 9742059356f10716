"""The three roles and what each may do, as groups that every `migrate` makes as they stand here. Judges no request."""

from __future__ import annotations

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions

APPS = ("streams", "snapshots", "timescale")
VIEW = "view"  # of every model of the three apps
VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"

# An operator does what can be taken back, or what the page previews and asks about. What ends something for good
# (a limit, a group's position) and accounts are an administrator's.
EDITS = (
    "streams.add_streamlimit",
    "streams.change_streamlimit",
    "snapshots.change_snapshotpolicy",
    "timescale.change_hypertablepolicy",
    "timescale.change_aggregatepolicy",
    "timescale.act_on_tables",
)
ENDS = (
    "streams.delete_streamlimit",
    "streams.destroy_group",
    "snapshots.add_snapshotpolicy",
    "snapshots.delete_snapshotpolicy",
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
    "auth.view_group",
    "axes.view_accessattempt",
    "axes.delete_accessattempt",  # lets a person who is locked out try again
)
ROLES: dict[str, tuple[str, ...]] = {VIEWER: (), OPERATOR: EDITS, ADMINISTRATOR: (*EDITS, *ENDS)}


def make_roles(*, using: str, apps: Any = installed, **_: Any) -> None:
    """Sets the permissions of the three groups to those above, and touches no other group.

    Comes after a migration; the permissions it needs are made first, where that has not happened yet.
    """
    try:
        groups, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:  # auth itself was migrated away
        return
    for label in (*APPS, "auth", "axes"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=using, apps=apps)
    found = {
        f"{one.content_type.app_label}.{one.codename}": one
        for one in permissions.objects.using(using).select_related("content_type")
    }
    views = [name for name in found if name.partition(".")[0] in APPS and name.partition(".")[2].startswith(VIEW)]
    for role, names in ROLES.items():
        group, _made = groups.objects.using(using).get_or_create(name=role)
        group.permissions.set([found[name] for name in (*views, *names) if name in found])
