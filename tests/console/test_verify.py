"""Verify: the guide's five verifications and four problems, live; on the page and from a shell with its exit code."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import timedelta

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from snapshots.models import SnapshotBuild, SnapshotPolicy
from streams import services
from streams.engine.producers import PRODUCERS_KEY, ProducerSeen, to_wire
from streams.models import StreamLimit
from tests.streams.factories import fill, make_group, make_row
from timescale.models import HypertablePolicy
from tradeul_ops.console.checks import Check, Report
from tradeul_ops.console.verify import verify
from tradeul_ops.demo.servers import free_port
from tradeul_ops.runs import Outcome

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ana(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_superuser("ana"))
    return client


def _report() -> Report:
    return verify(now=timezone.now())


def _check(name: str, report: Report | None = None) -> Check:
    return next(check for check in (report or _report()).checks if check.name == name)


def test_there_is_a_section_for_each_of_the_guides_headings(redis: redis_library.Redis, db: None) -> None:
    report = _report()
    titles = [section.title for section in report.sections]
    assert titles[:5] == ["1. TimescaleDB", "2. Redis streams", "3. Redis memory", "4. Snapshots", "5. CPU and RAM"]
    assert sum(title.startswith("Problem: ") for title in titles) == 4
    assert all(section.checks for section in report.sections)
    assert all(check.expected and check.found and check.command for check in report.checks)


def test_a_stream_is_compared_with_its_limit_and_its_command_proves_it(redis: redis_library.Redis, db: None) -> None:
    StreamLimit.objects.all().delete()
    make_row("orders of today", 1000)
    fill(redis, "orders of today", 900)
    check = _check("orders of today")
    assert (check.found, check.state) == ("900", "holds")
    assert check.expected.startswith("about 1,000; to 3,000 while a group holds it")
    words = shlex.split(check.command)
    assert words[0] == "redis-cli" and redis_library.Redis.from_url(words[2]).execute_command(*words[3:]) == 900
    fill(redis, "orders of today", range(901, 4000))
    assert _check("orders of today").state == "fails"


def test_a_stream_whose_group_just_lost_entries_does_not_hold(redis: redis_library.Redis, db: None) -> None:
    """Its length alone would: right after a cut it is no longer than its ceiling."""
    StreamLimit.objects.all().delete()
    make_row("orders", 1000)
    fill(redis, "orders", 4000)
    make_group(redis, "orders", "pricing")
    services.enforce_limits(timezone.now())
    redis.xtrim("orders", maxlen=2500, approximate=False)
    redis.xgroup_setid("orders", "pricing", "$")
    check = _check("orders")
    assert check.state == "fails"
    assert check.found.endswith("; the last that went took 1,000 that a group may have needed"), check.found


def test_no_command_has_a_password(redis: redis_library.Redis, db: None, settings) -> None:
    settings.REDIS_URL = settings.REDIS_URL.replace("redis://", "redis://:hush-hush@")
    for check in _report().checks:
        assert "hush-hush" not in check.command + check.found


def test_each_sql_can_be_pasted(redis: redis_library.Redis, db: None) -> None:
    with connection.cursor() as cursor:
        for check in _report().checks:
            if check.how == "SQL":
                cursor.execute(check.command)


def test_memory_is_compared_with_its_ceiling(redis: redis_library.Redis, db: None) -> None:
    assert "the guide's, as maxmemory is 0" in _check("used memory").expected
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + 1000)
    try:
        check = _check("used memory")
        assert check.state == "fails" and "80% of maxmemory" in check.expected
    finally:
        redis.config_set("maxmemory", 0)


def test_the_manager_that_does_not_start_is_a_producer_that_says_nothing(redis: redis_library.Redis, db: None) -> None:
    assert _check("producers").state == "fails"
    assert _check("limits at producers").state == "cannot tell"
    seen = ProducerSeen(id="a", name="ingest", host="h", pid=1, version=None, seen_at=timezone.now(), adds=1)
    redis.hset(PRODUCERS_KEY, "a", to_wire(seen))
    assert _check("producers").state == "holds"
    assert _check("limits at producers").state == "holds"


def test_fulls_alone_are_the_guides_third_problem(redis: redis_library.Redis, db: None) -> None:
    policy, now = SnapshotPolicy.objects.first(), timezone.now()
    assert policy is not None
    for kind in ("full", "full", "delta"):
        SnapshotBuild.objects.create(
            policy=policy,
            kind=kind,
            started_at=now - timedelta(seconds=1),
            finished_at=now,
            outcome=Outcome.DONE,
            raw_bytes=10,
            stored_bytes=5,
        )
    check = _check("deltas are built")
    assert (check.state, check.found) == ("fails", "1 deltas, 2 fulls on record")


def test_without_redis_its_checks_fail_by_name_and_the_others_are_made(db: None, settings) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    report = _report()
    assert "Redis does not answer" in _check("Streams", report).found
    assert _check("migrations", report).state == "holds"
    assert report.condition == "over"


def test_the_page_shows_expected_found_and_the_command(ana: Client, redis: redis_library.Redis) -> None:
    text = ana.get("/verify/").content.decode()
    assert "<html" in text and "XLEN snapshots:raw" in text and "psql" in text
    assert 'id="section-9"' in text
    assert "<html" not in ana.get("/verify/", headers=HTMX).content.decode()


def test_a_poll_costs_the_same_for_one_stream_and_thirty(ana: Client, redis: redis_library.Redis) -> None:
    StreamLimit.objects.all().delete()

    def cost() -> int:
        ana.get("/verify/", headers=HTMX)
        with CaptureQueriesContext(connection) as queries:
            assert ana.get("/verify/", headers=HTMX).status_code == 200
        return len(queries)

    make_row("s", 100)
    few = cost()
    for number in range(30):
        make_row(f"s{number}", 100)
    assert cost() == few


# --- from a shell ----------------------------------------------------------------------------------------------------


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, int]:
    code = 0
    try:
        call_command("verify", *words)
    except SystemExit as end:
        code = end.code
    return capsys.readouterr().out, code


def test_the_command_says_the_same_and_ends_with_1_where_a_check_fails(
    redis: redis_library.Redis, db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    printed, code = _run(capsys)
    assert code == 1 and "FAILS       producers: expected one at least lives; found none" in printed
    assert "$ redis-cli -u redis://" in printed
    document, code = _run(capsys, "--json")
    said = json.loads(document)
    assert code == 1 and said["states"]["fails"] == sum(
        check["state"] == "fails" for section in said["sections"] for check in section["checks"]
    )


def test_it_ends_with_2_without_postgresql(repository) -> None:
    environment = {"DATABASE_URL": f"postgres://x@127.0.0.1:{free_port()}/x", "PATH": "/usr/bin"}
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "manage.py", "verify"]
    ended = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "PostgreSQL does not answer" in ended.stderr


def test_without_table_policies_its_sql_is_sound(redis: redis_library.Redis, db: None) -> None:
    HypertablePolicy.objects.all().delete()
    assert _check("sizes").found == "no table"
