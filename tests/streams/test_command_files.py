"""`manage.py streams export` and `import`: limits in a file, and back from it."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import LogEntry

from streams.models import StreamLimit
from tests.streams.command_line import refused, run, state_of
from tests.streams.factories import fill, make_group, make_row

Redis = redis_library.Redis

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def test_export_and_import_round_trip(
    redis: Redis, admin_user: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_row("orders", note="día")
    make_row("trades", hard_maxlen=None, protect_groups=False, enabled=False)
    code, printed = run("export")
    file = tmp_path / "limits.json"
    assert run("export", str(file)) == (0, "")
    first, second = json.loads(printed), json.loads(file.read_bytes())
    assert code == 0
    assert first["version"] == 1
    assert datetime.fromisoformat(first["exported_at"]).tzinfo
    assert first["limits"] == second["limits"]
    rows = list(StreamLimit.objects.order_by("pattern").values(*first["limits"][0]))

    assert run("import", str(file), "--user", "admin") == (0, "Nothing differs.\n")
    StreamLimit.objects.all().delete()
    code, said = run("import", str(file), "--user", "admin")
    assert code == 0
    assert said.splitlines() == [
        "create orders: maxlen 1,000, trim_threshold 1,200, trim_interval 30 s, approximate yes, protect_groups yes, "
        "hard_maxlen 3,000, enabled yes, note 'día'",
        "create trades: maxlen 1,000, trim_threshold 1,200, trim_interval 30 s, approximate yes, protect_groups no, "
        "hard_maxlen –, enabled no, note ''",
        "2 limits changed.",
    ]
    assert list(StreamLimit.objects.order_by("pattern").values(*first["limits"][0])) == rows
    StreamLimit.objects.all().delete()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(printed.encode())))
    assert run("import", "-", "--user", "admin")[0] == 0
    assert list(StreamLimit.objects.order_by("pattern").values(*first["limits"][0])) == rows


def test_an_import_prints_old_and_new_and_dry_run_does_no_more(redis: Redis, admin_user: Any, tmp_path: Path) -> None:
    make_row("orders")
    make_row("trades")
    file = tmp_path / "limits.json"
    run("export", str(file))
    StreamLimit.objects.filter(pattern="orders").update(maxlen=7, hard_maxlen=None, protect_groups=False, note="n")
    make_row("unnamed")
    before = state_of(redis)
    orders = "update orders: maxlen 7 → 1,000, protect_groups no → yes, hard_maxlen – → 3,000, note 'n' → ''"
    assert run("import", str(file), "--dry-run") == (0, f"{orders}\n1 limit would change.\n")
    assert run("import", str(file), "--dry-run", "--prune") == (
        0,
        f"delete unnamed\n{orders}\n2 limits would change.\n",
    )
    assert state_of(redis) == before
    assert run("import", str(file), "--user", "admin")[1].startswith(orders)
    assert StreamLimit.objects.filter(pattern="unnamed").exists()
    assert LogEntry.objects.get().user == admin_user
    run("import", str(file), "--user", "admin", "--prune")
    assert not StreamLimit.objects.filter(pattern="unnamed").exists()


def test_an_import_that_is_wrong_in_one_place_changes_nothing(redis: Redis, admin_user: Any, tmp_path: Path) -> None:
    make_row("orders")
    make_row("trades")
    file = tmp_path / "limits.json"
    run("export", str(file))
    document = json.loads(file.read_text())
    document["limits"][0]["maxlen"] = 900
    document["limits"][1] |= {"maxlen": 0, "enabled": "no"}
    file.write_text(json.dumps(document))
    before = state_of(redis)
    error, _ = refused("import", str(file), "--user", "admin")
    assert error.returncode == 1
    assert str(error).splitlines() == [
        "Nothing was imported.",
        "trades: maxlen must be a whole number from 1 to 9,223,372,036,854,775,807.",
        'trades: enabled must be true or false, not "no".',
    ]
    assert state_of(redis) == before


def test_an_import_needs_an_account_that_exists(redis: Redis, tmp_path: Path) -> None:
    make_row("orders")
    file = tmp_path / "limits.json"
    run("export", str(file))
    StreamLimit.objects.all().delete()
    assert "--user NAME is required" in str(refused("import", str(file))[0])
    assert str(refused("import", str(file), "--user", "nobody")[0]) == "No account has this name: nobody."
    assert not StreamLimit.objects.exists()


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "No such file" in str(refused("import", str(tmp_path / "none.json"), "--dry-run")[0])
    assert "No such file" in str(refused("export", str(tmp_path / "no" / "none.json"))[0])


def test_an_import_that_takes_from_a_group_what_it_needs_wants_consent(
    redis: Redis, admin_user: Any, tmp_path: Path
) -> None:
    make_row("alpha")
    make_row("orders", maxlen=100)
    file = tmp_path / "limits.json"
    run("export", str(file))
    StreamLimit.objects.filter(pattern="orders").update(maxlen=1000, trim_threshold=1200, hard_maxlen=3000)
    StreamLimit.objects.filter(pattern="alpha").update(note="n")
    fill(redis, "orders", 900)
    make_group(redis, "orders", "pricing")
    before = state_of(redis)
    error, _ = refused("import", str(file), "--user", "admin")
    assert error.returncode == 1
    nothing, why, consent = str(error).splitlines()
    assert nothing == "Nothing was imported."
    assert why.startswith("orders: ")
    assert "Group pricing loses 600 unread entries" in why
    assert "--accept-loss" in consent
    assert state_of(redis) == before
    assert run("import", str(file), "--user", "admin", "--accept-loss")[0] == 0
    assert StreamLimit.objects.get(pattern="orders").maxlen == 100
