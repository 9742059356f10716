"""The guide's snapshot comes with the migrations, once, and goes with them unless somebody made it theirs."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from snapshots.models import SnapshotPolicy

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(to: str | None) -> None:
    call_command("migrate", "snapshots", *([to] if to else []), verbosity=0)


def test_forwards_backwards_and_forwards_again() -> None:
    migrate("zero")
    migrate(None)
    assert SnapshotPolicy.objects.get().name == "enriched"
    migrate("0001")
    assert not SnapshotPolicy.objects.exists()
    migrate(None)
    assert SnapshotPolicy.objects.count() == 1


def test_a_policy_that_somebody_edited_stays() -> None:
    migrate("zero")
    migrate(None)
    ana = User.objects.create_user("ana")
    SnapshotPolicy.objects.update(updated_by=ana, note="ours")
    migrate("0001")
    migrate(None)
    assert SnapshotPolicy.objects.get().note == "ours"
