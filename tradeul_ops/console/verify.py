"""The integration guide's five verifications and four problems, as live checks. Changes nothing, repairs nothing.

Each says what it expects, what it found, and the command or SQL that proves it. A source that is away fails its checks
by name; the others are still made.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext

import snapshots.metrics
import streams.metrics
from snapshots.engine.names import keys_of
from streams.engine.producers import PRODUCERS_KEY
from streams.services.producing import producing_summary
from timescale.engine.edition import Edition
from timescale.services import verify as tables
from timescale.store import catalog
from tradeul_ops.connections import data_redis
from tradeul_ops.console.checks import Check, Report, Section, State
from tradeul_ops.console.panels import SOURCE_ERRORS
from tradeul_ops.console.templatetags.figures import bytes_, count, ratio, span

PROMISED_MEMORY = 200 * 10**6  # bytes: the guide's 150–200 MB
PROMISED_CEILING_RATIO = 0.8
PROMISED_FULL, PROMISED_DELTA = 10**6, 200 * 10**3  # bytes of a compressed full, and of a delta
PROMISED_REDIS_CPU = 0.5  # of one core
PROMISED_RAM = 3.5 * 10**9

_DELTAS = """SELECT stored_bytes FROM snapshots_snapshotbuild WHERE policy_id = {policy} AND kind = 'delta'
ORDER BY id DESC LIMIT 60;"""
_KINDS = """SELECT kind, count(*), max(started_at) FROM snapshots_snapshotbuild
WHERE outcome IN ('done', 'partial') GROUP BY kind;"""


def verify(*, now: datetime) -> Report:
    """Raises no error of a source. Raises django.db.OperationalError where there is no database at all."""
    sql = tuple(_guarded("TimescaleDB", "python manage.py timescale verify", _sql_checks))
    columnstore = [check for check in sql if _is_columnstore(check)]
    sections = (
        ("1. TimescaleDB", [check for check in sql if not _is_columnstore(check)]),
        (gettext("2. Redis streams"), _guarded("Streams", _redis("PING"), lambda: _stream_checks(now))),
        (gettext("3. Redis memory"), _guarded("Redis memory", _redis("INFO memory"), lambda: _memory_checks(now))),
        (gettext("4. Snapshots"), _guarded("Snapshots", _redis("--bigkeys"), lambda: _snapshot_checks(now))),
        (gettext("5. CPU and RAM"), _guarded("CPU and RAM", _redis("INFO cpu"), _machine_checks)),
        (gettext("Problem: a migration fails with “relation already exists”"), _migration_checks()),
        (
            gettext("Problem: the stream manager does not start"),
            _guarded("Producers", _redis("HGETALL", PRODUCERS_KEY), lambda: _producer_checks(now)),
        ),
        (
            gettext("Problem: snapshots are still large"),
            _guarded("Deltas", _redis("PING"), lambda: _delta_checks(now)),
        ),
        (gettext("Problem: the compression policy does not work"), columnstore or [_no_columnstore()]),
    )
    return Report(tuple(Section(title, tuple(checks)) for title, checks in sections), now)


# --- TimescaleDB ------------------------------------------------------------------------------------------------------
def _sql_checks() -> Iterator[Check]:
    for check in tables.verify():
        state: State = "cannot tell" if check.ok is None else "holds" if check.ok else "fails"
        yield Check(check.name, check.expected, check.found, state, check.sql, "SQL")


def _is_columnstore(check: Check) -> bool:
    return check.name == "columnstore policies" or check.name.endswith((" is compressed", " saves"))


def _no_columnstore() -> Check:
    edition = catalog.read_detection(connection).edition
    found = (
        gettext("the edition is {edition}").format(edition=edition)
        if edition is not Edition.COMMUNITY
        else gettext("no policy compresses anything")
    )
    return Check(
        "compression", gettext("old chunks are compressed"), found, "cannot tell", catalog.DETECT.strip(), "SQL"
    )


def _migration_checks() -> Iterator[Check]:
    """Ours can run twice: what stands already is adopted, and not made again."""
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    found = ", ".join(f"{migration.app_label} {migration.name}" for migration, _ in waiting[:5]) or gettext(
        "none waits"
    )
    yield Check(
        "migrations",
        gettext("all applied"),
        found,
        "fails" if waiting else "holds",
        "python manage.py showmigrations --plan | grep '\\[ \\]'",
    )


# --- Redis ------------------------------------------------------------------------------------------------------------
def _stream_checks(now: datetime) -> Iterator[Check]:
    rows = streams.metrics.streams_summary(now=now).rows
    for row in (row for row in rows if row.enabled):
        expected = _expected_length(row)
        found = count(row.length) if row.condition == "within" else f"{count(row.length)}: {row.why}"
        lost = row.last_trim.forced if row.last_trim else 0
        if lost and row.protect_groups:
            found += gettext("; the last that went took {lost} that a group may have needed").format(lost=count(lost))
        within = row.condition in ("within", "attention") and not (lost and row.protect_groups)
        state: State = "cannot tell" if row.condition == "unknown" else "holds" if within else "fails"
        yield Check(row.stream, expected, found, state, _redis("XLEN", row.stream))
    if not rows:
        yield Check("limits", "one at least", "none", "fails", "python manage.py streams list")


def _expected_length(row: streams.metrics.StreamRow) -> str:
    if row.maxlen:
        about = gettext("about {maxlen}").format(maxlen=count(row.maxlen))
    else:
        about = gettext("what is younger than {max_age}").format(max_age=span(row.max_age))
    if not (row.protect_groups and row.hard_maxlen):
        return about
    held = gettext("{about}; to {ceiling} while a group holds it, and what comes between two trims")
    return held.format(about=about, ceiling=count(row.hard_maxlen))


def _memory_checks(now: datetime) -> Iterator[Check]:
    memory = streams.metrics.redis_memory(now=now)
    ceiling = memory.maxmemory_bytes
    most = PROMISED_CEILING_RATIO * ceiling if ceiling else PROMISED_MEMORY
    why = f"{PROMISED_CEILING_RATIO:.0%} of maxmemory" if ceiling else "the guide's, as maxmemory is 0"
    used: State = "holds" if memory.used_bytes <= most else "fails"
    yield Check(
        "used memory", f"at most {bytes_(most)}, {why}", bytes_(memory.used_bytes), used, _redis("INFO", "memory")
    )
    safe: State = "fails" if memory.evicts_whole_keys else "holds"
    yield Check(
        "eviction",
        gettext("no policy that deletes whole streams"),
        memory.policy,
        safe,
        _redis("CONFIG", "GET", "maxmemory-policy"),
    )


def _snapshot_checks(now: datetime) -> Iterator[Check]:
    rows = [row for row in snapshots.metrics.snapshots_summary(now=now).rows if row.enabled]
    for row in rows:
        keys = keys_of(row.name)
        yield _size(f"{row.name}, full", row.full_bytes, PROMISED_FULL, _redis("STRLEN", keys.full))
        sql = _DELTAS.replace("{policy}", str(row.policy_id))
        yield _size(f"{row.name}, delta (median of 60)", row.delta_median_bytes, PROMISED_DELTA, sql, how="SQL")
    if not rows:
        yield Check("snapshots", "one at least", gettext("no policy is enabled"), "cannot tell", _redis("--bigkeys"))


def _size(name: str, found: int | None, most: int, command: str, *, how: Literal["shell", "SQL"] = "shell") -> Check:
    state: State = "cannot tell" if found is None else "holds" if found <= most else "fails"
    return Check(
        name,
        gettext("at most {most}").format(most=bytes_(most)),
        gettext("none yet") if found is None else bytes_(found),
        state,
        command,
        how,
    )


def _machine_checks() -> Iterator[Check]:
    """Redis tells its own; what a container uses only the machine it runs on knows."""
    info = data_redis().info("everything")
    node = info if "used_cpu_user" in info else next(iter(info.values()), {})  # a cluster answers by node
    cpu = (node["used_cpu_user"] + node["used_cpu_sys"]) / max(1, node["uptime_in_seconds"])
    yield Check(
        "CPU of Redis",
        f"at most {PROMISED_REDIS_CPU:.0%} of a core, on average since its start",
        ratio(cpu),
        "holds" if cpu <= PROMISED_REDIS_CPU else "fails",
        _redis("INFO", "everything") + " | grep -E '^(used_cpu_user|used_cpu_sys|uptime_in_seconds):'",
    )
    rss = node.get("used_memory_rss")
    ram: State = "cannot tell" if rss is None else "holds" if rss <= PROMISED_RAM else "fails"
    most = f"at most {bytes_(PROMISED_RAM)}, the guide's for all services"
    yield Check("RAM of Redis, resident", most, bytes_(rss), ram, _redis("INFO", "memory"))
    untold = gettext("no SQL tells it; the command does, where the containers run")
    yield Check("CPU of TimescaleDB", "at most 200 %", untold, "cannot tell", "docker stats --no-stream")


def _producer_checks(now: datetime) -> Iterator[Check]:
    summary = producing_summary(now=now)
    command = _redis("HGETALL", PRODUCERS_KEY)
    said = summary.sentence or gettext("none within the last minute")
    yield Check("producers", gettext("one at least lives"), said, "holds" if summary.producers else "fails", command)
    late = ", ".join(f"{one.name} on {one.host}" for one in summary.late[:5])
    state: State = "cannot tell" if not summary.producers else "fails" if late else "holds"
    found = (
        gettext("not {late}").format(late=late)
        if late
        else gettext("all do")
        if summary.producers
        else gettext("there is none")
    )
    yield Check("limits at producers", gettext("all hold the newest"), found, state, command)


def _delta_checks(now: datetime) -> Iterator[Check]:
    summary = snapshots.metrics.snapshots_summary(now=now)
    state: State = "cannot tell" if not summary.fulls else "holds" if summary.deltas > summary.fulls else "fails"
    found = gettext("{deltas} deltas, {fulls} fulls on record").format(
        deltas=count(summary.deltas), fulls=count(summary.fulls)
    )
    yield Check("deltas are built", gettext("more deltas than fulls"), found, state, _KINDS, "SQL")
    for row in (row for row in summary.rows if row.enabled):
        age: State = "cannot tell" if row.age is None else "holds" if row.condition == "within" else "fails"
        built = gettext("built {span} ago").format(span=span(row.age)) if row.age else gettext("never built")
        found = built if row.condition == "within" else f"{built}: {row.why}"
        yield Check(
            f"{row.name} goes on", gettext("built on time"), found, age, _redis("HGETALL", keys_of(row.name).head)
        )


# --- how --------------------------------------------------------------------------------------------------------------
def _guarded(name: str, command: str, checks: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    made: list[Check] = []
    try:
        with transaction.atomic():  # a query that fails must not take those after it along
            for check in checks():
                made.append(check)
    except SOURCE_ERRORS as error:
        why = " ".join(str(error).split()) or type(error).__name__
        made.append(Check(name, gettext("it answers"), why, "fails", command))
    yield from made


def _redis(*words: str) -> str:
    """As a shell takes it, without a password: REDISCLI_AUTH or the prompt has that."""
    url = urlsplit(settings.REDIS_URL)
    host = url.hostname or "localhost"
    host = f"[{host}]" if ":" in host else host
    where = urlunsplit((url.scheme.removesuffix("+cluster"), f"{host}:{url.port or 6379}", url.path, "", ""))
    cluster = ["-c"] if url.scheme.endswith("+cluster") else []
    return shlex.join(["redis-cli", *cluster, "-u", where, *words])
