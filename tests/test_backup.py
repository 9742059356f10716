"""The backup of docs/operations.md, its commands as they stand there, into an empty database and back."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from snapshots.models import SnapshotPolicy
from streams.models import StreamLimit
from streams.services import publish_limits, update_limit
from streams.store import read_published
from tests.snapshots.factories import make_policy
from tests.streams.factories import make_row
from tradeul_ops.connections import data_redis

PASSWORD = "right and long"


def commands(repository: Path) -> list[list[str]]:
    """Of the section on backups, without `python manage.py`."""
    text = (repository / "docs/operations.md").read_text()
    section = text.partition("## Backup and restore")[2].partition("\n## ")[0]
    lines = [line for block in re.findall(r"^```bash\n(.*?)^```", section, re.M | re.S) for line in block.splitlines()]
    return [shlex.split(line)[2:] for line in lines]


def rows() -> dict[str, Any]:
    limits = StreamLimit.objects.order_by("pattern", "is_ceiling").values("pattern", "maxlen", "hard_maxlen", "note")
    return {
        "limits": list(limits),
        "policies": list(SnapshotPolicy.objects.order_by("name").values("name", "source_key", "enabled")),
        "audit": [(entry.user.get_username(), entry.get_change_message()) for entry in LogEntry.objects.order_by("id")],
        "accounts": [(who.username, *map(str, who.groups.all())) for who in get_user_model().objects.all()],
    }


def test_limits_policies_accounts_and_audit_come_back(
    transactional_db: None,
    redis: redis_library.Redis,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ana = get_user_model().objects.create_user("ana", password=PASSWORD)
    ana.groups.add(Group.objects.get_or_create(name="operator")[0])
    limit = make_row("test:kept", 700, note="agreed with “pricing”")
    make_policy("kept")
    update_limit(limit.pk, {"maxlen": 650}, user_id=ana.pk, now=timezone.now())
    before = rows()
    assert before["audit"] and before["limits"]

    monkeypatch.chdir(tmp_path)
    dump, *restore = commands(repository)
    assert [dump[0], *(words[0] for words in restore)] == ["dumpdata", "migrate", "flush", "loaddata"]
    call_command(*dump)
    for words in restore:
        call_command(*words, stdout=io.StringIO(), stderr=io.StringIO())
        if words[0] == "flush":
            assert not StreamLimit.objects.exists() and not get_user_model().objects.exists()
    assert rows() == before
    assert Client().post("/login/", {"username": "ana", "password": PASSWORD}).status_code == 302
    publish_limits()
    assert "test:kept" in read_published(data_redis()).limits
