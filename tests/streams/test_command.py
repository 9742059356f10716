"""`manage.py streams list` and `plan`: what a shell sees, and what cron reads from the exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.db import OperationalError
from django.utils import timezone

from streams import services
from streams.management.commands import streams as command
from streams.models import Stream
from tests.streams.command_line import enforced_now, refused, run, state_of
from tests.streams.factories import fill, make_group, make_row
from tradeul_ops.demo.servers import free_port

Redis = redis_library.Redis

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def test_list_is_a_table_and_all_within_is_exit_code_0(redis: Redis) -> None:
    enforced_now()
    make_row("orders")
    make_row("a longer name", protect_groups=False)
    make_row("absent")
    fill(redis, "orders", 900, size=1000)
    fill(redis, "a longer name", 5)
    make_group(redis, "orders", "pricing", read=200)
    make_group(redis, "orders", "audit", read=600)
    code, printed = run("list")
    assert code == 0
    head, long, absent, orders = printed.splitlines()
    assert head.split("  ")[0] == "stream"
    assert head.endswith("lag of the slowest group  condition  why")
    columns = [head.index(name) for name in ("condition", "why")]
    assert {line[at - 1] for line in (long, absent, orders) for at in columns} == {" "}
    assert orders.split()[:7] == ["orders", "900", "1,000", "3,000", *orders.split()[4:7]]
    assert float(orders.split()[4]) > 0.9
    assert orders.split()[5] == "MB"
    assert "700 (pricing)" in orders
    assert orders.endswith("within     900 of 1,000 entries.")
    assert long.startswith("a longer name       5  1,000        –")
    assert "–" in absent
    assert absent.endswith("There is no such stream yet.")


def test_list_exits_1_when_something_needs_attention(redis: Redis) -> None:
    enforced_now()
    make_row("orders", held_by="pricing")
    fill(redis, "orders", 2000)
    make_group(redis, "orders", "pricing")
    code, printed = run("list")
    assert code == 1
    assert "2,000 (pricing)" in printed
    assert "attention  Group pricing still needs the oldest entries" in printed


def test_list_says_unknown_for_what_it_could_not_read(redis: Redis) -> None:
    make_row("test:string")
    redis.set("test:string", "x")
    code, printed = run("list")
    assert code == 1
    assert printed.splitlines()[1].split()[:6] == ["test:string", "unknown", "1,000", "3,000", "unknown", "unknown"]
    [row] = json.loads(run("list", "--json")[1])["streams"]
    assert (row["length"], row["groups"], row["exists"], row["condition"]) == (None, None, None, "unknown")


def test_a_lag_that_nobody_knows_is_no_small_one(redis: Redis) -> None:
    enforced_now()
    make_row("orders")
    fill(redis, "orders", 100)
    redis.xgroup_create("orders", "middle", id="50-0")  # the server can't count from there
    assert "unknown (middle)" in run("list")[1]
    make_group(redis, "orders", "pricing", read=60)
    assert "≥ 40 (pricing), middle unknown" in run("list")[1]


def test_list_as_json(redis: Redis) -> None:
    enforced_now()
    make_row("orders")
    fill(redis, "orders", 900)
    make_group(redis, "orders", "pricing", read=200)
    code, printed = run("list", "--json")
    [row] = json.loads(printed)["streams"]
    assert code == 0
    assert (row["stream"], row["length"], row["maxlen"], row["hard_maxlen"]) == ("orders", 900, 1000, 3000)
    assert (row["trim_interval"], row["condition"], row["last_trim"]) == (30.0, "within", None)
    assert (row["groups"][0]["name"], row["groups"][0]["lag"]) == ("pricing", 700)


def test_list_names_the_streams_that_no_limit_is_for_and_exits_1(redis: Redis) -> None:
    enforced_now()
    make_row("orders")
    for stream in ("orders", "trades", "loose\x1b[2J"):
        fill(redis, stream, 10)
    services.discover_streams(now=timezone.now())
    code, printed = run("list")
    assert code == 1
    assert "No limit is for 2 streams, which grow until one is: loose\\x1b[2J, trades." in printed
    assert json.loads(run("list", "--json")[1])["unmanaged"] == ["loose\x1b[2J", "trades"]
    Stream.objects.exclude(name="orders").delete()
    assert run("list")[0] == 0


def test_a_group_whose_name_moves_the_cursor_moves_nothing(redis: Redis) -> None:
    enforced_now()
    make_row("orders")
    fill(redis, "orders", 10)
    make_group(redis, "orders", "a\x1b[2J\nb")
    _, printed = run("list")
    assert len(printed.splitlines()) == 2
    assert "10 (a\\x1b[2J\\nb)" in printed


def test_without_limits_there_is_a_sentence(redis: Redis) -> None:
    assert run("list") == (0, "No stream has a limit.\n")


def test_plan_says_what_would_go_and_what_holds_it_and_changes_nothing(redis: Redis) -> None:
    for name, length in (("a", 1500), ("b", 900), ("c", 5000), ("d", 5000), ("e", 5000), ("off", 5000)):
        make_row(name, enabled=name != "off", protect_groups=name != "e")
        fill(redis, name, length)
    make_group(redis, "c", "pricing")
    make_group(redis, "d", "audit", read=4500, acknowledged=4400)
    make_group(redis, "e", "nobody")
    make_row("test:string")
    redis.set("test:string", "x")
    before = state_of(redis)
    code, printed = run("plan")
    assert state_of(redis) == before
    assert code == 1, "one stream could not be read"
    assert printed.splitlines() == [
        "a: Trim to 1,000: at most 500 of 1,500 entries go.",
        "b: Skip: 900 entries are within the limit.",
        "c: Trim to 1,000: at most 2,000 of 5,000 entries go. The rest may be held by "
        "pricing (5,000 unread, 0 pending), up to 3,000. At most 2,000 go above that ceiling, needed or not.",
        "d: Trim to 1,000: at most 4,000 of 5,000 entries go. The rest may be held by "
        "audit (500 unread, 100 pending), up to 3,000. At most 2,000 go above that ceiling, needed or not.",
        "e: Trim to 1,000: at most 4,000 of 5,000 entries go.",
        "off: Skip: its limit is switched off.",
        "test:string: Unknown: test:string is no stream: the key holds another type, and can't be bounded by a limit.",
    ]


def test_plan_of_named_streams_as_json(redis: Redis) -> None:
    for name in ("a", "b", "c"):
        make_row(name)
        fill(redis, name, 5000 if name == "c" else 10)
    make_group(redis, "c", "pricing", read=1)
    code, printed = run("plan", "c", "a", "c", "--json")
    assert code == 0
    trim, skip = json.loads(printed)
    assert (trim["stream"], trim["action"], trim["length"]) == ("c", "trim", 5000)
    assert (trim["maxlen"], trim["hard_maxlen"], trim["approximate"]) == (1000, 3000, True)
    assert (trim["at_most"], trim["above_ceiling"]) == (4000, 2000)
    assert [(group["name"], group["lag"], group["pending"]) for group in trim["holders"]] == [("pricing", 4999, 1)]
    assert (skip["stream"], skip["action"]) == ("a", "skip")
    assert skip["reason"] == "10 entries are within the limit"


@pytest.mark.parametrize("words", [("list",), ("plan",), ("trim", "orders"), ("trim", "--all", "--json")])
def test_redis_away_is_one_line_and_exit_code_2(words: tuple[str, ...], settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    make_row("orders")
    error, _ = refused(*words)
    assert error.returncode == 2
    assert str(error).startswith("Redis does not answer: ")
    assert "\n" not in str(error)


def test_postgresql_away_is_one_line_and_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused\n  is it running?")

    for name in ("streams_summary", "limited_streams", "export_limits", "compare_definitions"):
        monkeypatch.setattr(command, name, away)
    for words in (("list",), ("plan",), ("trim", "--all"), ("export",), ("import", "-", "--dry-run")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"version": 1, "limits": []}')))
        error, _ = refused(*words)
        assert (error.returncode, str(error)) == (2, "connection refused is it running?")


def test_from_a_shell_there_is_no_traceback(repository: Path) -> None:
    """The tutorial of the exit code: a whole process, with PostgreSQL away."""
    environment = {"DJANGO_SETTINGS_MODULE": "tradeul_ops.settings", "SECRET_KEY": "s" * 60, "HTTPS": "false"}
    environment |= {"DATABASE_URL": f"postgres://tradeul@127.0.0.1:{free_port()}/tradeul"}
    ran = subprocess.run(
        [sys.executable, "manage.py", "streams", "list", "--json"],
        cwd=repository,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("CommandError: ")
    assert ran.stderr.count("\n") == 1
