"""`manage.py timescale …`: what each subcommand prints, as words and as JSON, and its exit code."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from tests.timescale.conftest import as_default, migrate
from tests.timescale.factories import DAY, copy_scans, scan
from timescale.engine.edition import Edition
from timescale.models import HypertablePolicy
from timescale.services.verify import verify
from tradeul_ops.demo.servers import free_port

SUBCOMMANDS = ("status", "plan", "apply", "upgrade", "drift", "refresh", "verify")


def run(capsys, *words: str) -> tuple[str, int]:
    """What it printed and its exit code."""
    code = 0
    try:
        call_command("timescale", *words)
    except SystemExit as end:
        code = end.code
    return capsys.readouterr().out, code


def test_apply_and_status_say_what_they_did_and_saw(database, edition, capsys):
    printed, code = run(capsys, "apply")
    assert code == 0
    if edition is Edition.COMMUNITY:
        assert "scan_results: retention is now after 3 days, every 1 h" in printed
        assert "10 changed. Edition: community." in printed
    else:
        assert printed.startswith(f"0 changed. Edition: {edition}.")
    printed, code = run(capsys, "status")
    assert code == 0
    assert f"edition {edition}" in printed
    assert [line.split()[:2] for line in printed.splitlines() if " scan_results " in line] == [
        ["within", "scan_results"]
    ]
    printed, _ = run(capsys, "status", "--json")
    rows = {row["table"]: row for row in json.loads(printed)["rows"]}
    assert rows["scan_results"]["drop_after"] == (3 * DAY).total_seconds()


@pytest.mark.community
def test_a_version_that_the_server_has_no_library_for_is_named_with_its_cure(empty_community):
    """As after a server was replaced by one with a newer TimescaleDB: it refuses every query, and is not away."""
    migrate("timescale")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_extension SET extversion = '2.0.0' WHERE extname = 'timescaledb'")
    connection.close()
    for what in SUBCOMMANDS:
        with pytest.raises(CommandError, match="ALTER EXTENSION timescaledb UPDATE") as caught:
            call_command("timescale", what)
        assert caught.value.returncode == 1
        connection.close()


def test_status_ends_with_1_where_a_table_needs_somebody(database, capsys):
    HypertablePolicy.objects.filter(table_name="volume_slots").update(enabled=False)
    printed, code = run(capsys, "status")
    assert code == 1
    assert "Nobody bounds this table" in printed


def test_drift_names_what_differs_and_ends_with_1(database, edition, capsys):
    printed, code = run(capsys, "drift")
    if edition is not Edition.COMMUNITY:
        assert (printed.strip(), code) == ("The server has what the policy rows say.", 0)
        return
    assert code == 1
    assert ["scan_results", "retention", "missing", "after", "3"] in [line.split()[:5] for line in printed.splitlines()]
    found = json.loads(run(capsys, "drift", "--json")[0])
    assert {"relation", "kind", "state", "wanted", "actual"} <= found[0].keys()
    run(capsys, "apply")
    assert run(capsys, "drift") == ("The server has what the policy rows say.\n", 0)


def test_plan_says_what_is_left_and_upgrade_does_it(database, edition, capsys):
    printed, code = run(capsys, "plan")
    assert code == (1 if edition is Edition.COMMUNITY else 0)
    if edition is Edition.COMMUNITY:
        assert "retention: no job becomes after 3 days, every 1 h" in printed
    else:
        assert printed.strip() == f"Nothing to do: the database is what the {edition} edition offers."
    _, code = run(capsys, "upgrade")
    assert code == 0
    assert run(capsys, "plan") == (f"Nothing to do: the database is what the {edition} edition offers.\n", 0)
    assert json.loads(run(capsys, "upgrade", "--json")[0]) == {"done": []}


def test_plan_of_an_empty_database_lists_its_migrations(empty, capsys):
    printed, code = run(capsys, "plan")
    assert code == 1
    assert "create the table" in printed
    plan = json.loads(run(capsys, "plan", "--json")[0])
    assert plan["pending"][0] == "0001_initial"
    assert {"relation", "says", "lock", "rows", "takes", "changes"} == plan["steps"][0].keys()
    assert connection.introspection.table_names() == []


@pytest.mark.community
def test_refresh_fills_and_refuses_what_would_erase(own_community, capsys):
    now = timezone.now().replace(minute=30, second=0, microsecond=0)
    copy_scans(scan(now - timedelta(minutes=10 * i)) for i in range(1, 300))
    printed, code = run(capsys, "refresh")
    assert code == 0
    assert printed.count("refreshed from") == 2
    assert run(capsys, "refresh")[0] == "Nothing to refresh: the policies reach all that is missing.\n"
    start = (now - timedelta(hours=5)).isoformat()
    printed, code = run(capsys, "refresh", "scan_results_1min", "--from", start)
    assert (code, "scan_results_1min: refreshed from" in printed) == (0, True)
    with pytest.raises(CommandError, match="would erase what the aggregate still holds"):
        call_command("timescale", "refresh", "scan_results_1min", "--from", (now - 9 * DAY).isoformat())
    with pytest.raises(CommandError, match="Give VIEW with --from"):
        call_command("timescale", "refresh", "scan_results_1min")
    with pytest.raises(CommandError, match="is not a time like"):
        call_command("timescale", "refresh", "scan_results_1min", "--from", "yesterday")


def test_verify_has_a_query_that_works_for_each_of_the_guides(database, edition, capsys):
    """On every edition each statement runs as it is printed; none of them fails on a database that is in order."""
    run(capsys, "apply")
    now = timezone.now()
    copy_scans(scan(now - timedelta(minutes=i), symbol=f"S{i % 5}") for i in range(60))
    printed, code = run(capsys, "verify")
    assert code == 0, printed
    checks = verify()
    assert json.loads(run(capsys, "verify", "--json")[0])[0].keys() == {"name", "expected", "found", "ok", "sql"}
    for check in checks:
        with connection.cursor() as cursor:
            cursor.execute(check.sql)
    names = {check.name for check in checks}
    assert {"sizes", "retention acts on scan_results", "continuous aggregates exist"} <= names
    jobs = {"retention policies", "columnstore policies", "refresh policies", "scan_results is compressed"}
    assert (jobs <= names) is (edition is Edition.COMMUNITY)


def test_verify_fails_where_the_promise_is_not_kept(database, edition, capsys):
    copy_scans([scan(timezone.now() - 10 * DAY)])
    printed, code = run(capsys, "verify")
    assert code == 1
    assert "FAILS retention acts on scan_results" in printed
    if edition is Edition.COMMUNITY:
        assert "FAILS retention policies" in printed


def test_a_server_that_is_away_is_exit_code_2(django_db_blocker):
    nobody = f"postgres://tradeul@127.0.0.1:{free_port()}/tradeul"
    for what in SUBCOMMANDS:
        with django_db_blocker.unblock(), as_default(nobody), pytest.raises(CommandError, match="refused") as caught:
            call_command("timescale", what)
        assert caught.value.returncode == 2
