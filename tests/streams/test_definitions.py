"""engine.definitions and services.definitions: limits leave as a document and come back whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis as redis_library
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import store
from streams.engine.definitions import (
    LONGEST_NAME,
    READERS,
    Definition,
    DefinitionErrors,
    read_definitions,
    write_definitions,
)
from streams.engine.limits import LARGEST
from streams.engine.patterns import escape
from streams.engine.wire import to_wire
from streams.models import Stream, StreamLimit
from streams.services import EDITABLE, definitions
from streams.services.definitions import Difference, LimitsMoved, compare_definitions, import_definitions
from tests.streams.factories import make_row, make_rule

Redis = redis_library.Redis
Commit = Callable[..., Any]
ORDERS = b'"orders", "priority": 0, "is_ceiling": false, "maxlen": 1000'
NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
READABLE: dict[str, Any] = {
    "pattern": "orders",
    "priority": 0,
    "is_ceiling": False,
    "maxlen": 1000,
    "trim_threshold": 1200,
    "max_age": None,
    "max_bytes": None,
    "trim_interval": 30,
    "approximate": True,
    "protect_groups": True,
    "hard_maxlen": 3000,
    "ignore_groups_idle_for": None,
    "enabled": True,
    "note": "",
}


def document(*limits: Any, **changes: Any) -> bytes:
    return json.dumps({"version": 1, "exported_at": "x", "limits": limits, **changes}).encode()


def errors_in(said: bytes) -> list[str]:
    with pytest.raises(DefinitionErrors) as raised:
        read_definitions(said)
    return [str(error) for error in raised.value.errors]


def exported() -> list[dict[str, Any]]:
    limits: list[dict[str, Any]] = json.loads(definitions.export_limits(now=NOW))["limits"]
    return limits


def import_document(said: bytes, *, user_id: int, prune: bool = False) -> tuple[Difference, ...]:
    wanted = read_definitions(said)
    shown = compare_definitions(wanted, prune=prune)
    import_definitions(wanted, shown=shown, prune=prune, user_id=user_id, now=NOW)
    return shown


def test_a_document_holds_what_an_operator_edits_and_no_more() -> None:
    assert tuple(READERS) == EDITABLE
    assert StreamLimit._meta.get_field("pattern").max_length == LONGEST_NAME


positive = st.integers(1, LARGEST // 3)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@st.composite
def _definitions(draw: st.DrawFn) -> Definition:
    maxlen = draw(positive)
    threshold = maxlen + draw(positive)
    protect = draw(st.booleans())
    hard = threshold + draw(positive) if protect or draw(st.booleans()) else None
    return Definition(
        make_rule(
            escape(draw(texts.filter(lambda name: name and name[0] != ":"))) + draw(st.sampled_from(["", "*"])),
            maxlen,
            trim_threshold=threshold,
            trim_interval=draw(st.timedeltas(timedelta(seconds=1), timedelta(days=1))),
            approximate=draw(st.booleans()),
            protect_groups=protect,
            hard_maxlen=hard,
            enabled=draw(st.booleans()),
            priority=draw(st.integers(-5, 5)),
            is_ceiling=draw(st.booleans()),
            max_age=draw(st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=9))),
            max_bytes=draw(st.none() | positive),
        ),
        draw(texts),
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_definitions(), unique_by=lambda one: one.rule.key, max_size=5))
def test_what_is_written_is_read_back(wanted: list[Definition]) -> None:
    said = write_definitions(wanted, now=NOW)
    back = read_definitions(said.encode())
    assert back == tuple(sorted(wanted, key=lambda one: one.rule.key))
    assert write_definitions(reversed(wanted), now=NOW) == said


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("maxlen", 0, "maxlen must be a whole number from 1"),
        ("maxlen", "1000", 'maxlen must be a whole number, not "1000"'),
        ("maxlen", 1000.0, "maxlen must be a whole number, not 1000.0"),
        ("maxlen", True, "maxlen must be a whole number, not true"),
        ("maxlen", None, "A limit needs one of maxlen"),
        ("hard_maxlen", 2**63, "hard_maxlen must be a whole number from 1"),
        ("trim_threshold", 999, "trim_threshold must be at least maxlen"),
        ("trim_interval", "30 s", 'trim_interval must be a number of seconds, not "30 s"'),
        ("trim_interval", 0.5, "trim_interval must be between one second and one day"),
        ("trim_interval", 1e300, "trim_interval must be a number of seconds, and not so many"),
        ("trim_interval", float("nan"), "trim_interval must be a number of seconds"),
        ("trim_interval", False, "trim_interval must be a number of seconds, not false"),
        ("approximate", 1, "approximate must be true or false, not 1"),
        ("hard_maxlen", None, "hard_maxlen is required while groups are protected"),
        ("hard_maxlen", 1199, "hard_maxlen must be at least trim_threshold"),
        ("enabled", "no", 'enabled must be true or false, not "no"'),
        ("note", "a\0b", "note must be text that can be stored"),
        ("note", "\ud800", "note must be text that can be stored"),
        ("note", None, "note must be text that can be stored, not null"),
        ("max_len", 5, "max_len is no field of a limit"),
    ],
)
def test_a_wrong_field_is_named_with_its_stream(field: str, value: Any, message: str) -> None:
    [error] = errors_in(document(READABLE | {field: value}))
    assert error.startswith(f"orders: {message}")


@pytest.mark.parametrize("name", list(READERS))
def test_a_field_that_is_missing_is_named(name: str) -> None:
    [error] = errors_in(document({key: value for key, value in READABLE.items() if key != name}))
    assert error == f"{'limit 1' if name == 'pattern' else 'orders'}: {name} is missing."


def test_every_error_is_said_at_once() -> None:
    said = document(
        READABLE | {"maxlen": 0, "trim_interval": 0},
        READABLE | {"pattern": "trades", "enabled": None},
        READABLE | {"pattern": ""},
        READABLE | {"pattern": "x" * 513},
        READABLE | {"pattern": ":version"},
        READABLE | {"pattern": "raw", "note": None},
        READABLE | {"pattern": "raw"},
        "orders",
    )
    assert [(error.partition(": ")[0], error.partition(": ")[2].split()[0]) for error in errors_in(said)] == [
        ("orders", "maxlen"),
        ("orders", "trim_interval"),
        ("trades", "enabled"),
        ("limit 3", "pattern"),
        ("x" * 513, "pattern"),
        (":version", "pattern"),
        ("raw", "note"),
        ("raw", "pattern"),
        ("limit 8", "must"),
    ]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "must be an object"),
        (b'{"version": 1}', "must be an object"),
        (document(version=2), "version must be 1, not 2"),
        (document(version=True), "version must be 1, not True"),
        (document(READABLE).replace(b'"maxlen": 1000', b'"maxlen": 1000, "maxlen": 5'), "maxlen stands twice"),
    ],
)
def test_what_is_no_such_document_is_refused(said: bytes, message: str) -> None:
    [error] = errors_in(said)
    assert error.startswith("document: ")
    assert message in error


def test_an_export_brings_every_limit_back(no_limits: None, redis: Redis, admin_user: Any) -> None:
    """Another console starts from this one's file; null ceilings and limits that are switched off come along."""
    make_row("trades", hard_maxlen=None, protect_groups=False, approximate=False, note="día “ñ”\nsecond line")
    make_row("orders", enabled=False, trim_interval=timedelta(seconds=1.5))
    make_row("Zürich")
    said = definitions.export_limits(now=NOW)
    assert [limit["pattern"] for limit in exported()] == ["Zürich", "orders", "trades"]
    before = list(StreamLimit.objects.order_by("pattern").values(*EDITABLE))
    StreamLimit.objects.all().delete()
    import_document(said.encode(), user_id=admin_user.pk)
    assert list(StreamLimit.objects.order_by("pattern").values(*EDITABLE)) == before
    assert definitions.export_limits(now=NOW) == said
    assert import_document(said.encode(), user_id=admin_user.pk, prune=True) == ()


def test_an_import_saves_what_differs_audits_it_and_tells_producers(
    no_limits: None, redis: Redis, admin_user: Any, django_capture_on_commit_callbacks: Commit
) -> None:
    same, other, unnamed = make_row("same", due_at=NOW), make_row("orders", due_at=NOW), make_row("unnamed")
    wanted = document(*[READABLE | {"pattern": name} for name in ("same", "orders", "new")], exported_at="y")
    wanted = wanted.replace(ORDERS, ORDERS.replace(b"1000", b"900"))
    with django_capture_on_commit_callbacks(execute=True):
        shown = import_document(wanted, user_id=admin_user.pk)
    assert [(one.key, one.kind) for one in shown] == [("new", "create"), ("orders", "update")]
    assert shown[1].changes == (("maxlen", 1000, 900),)
    for row in (same, other, unnamed):
        row.refresh_from_db()
    assert (Stream.objects.get(name="same").due_at, same.updated_by) == (NOW, None), "untouched"
    assert (other.maxlen, other.updated_by) == (900, admin_user)
    lines = LogEntry.objects.order_by("id").values_list("object_repr", "action_flag", "user_id")
    assert list(lines) == [("new", ADDITION, admin_user.pk), ("orders", CHANGE, admin_user.pk)]
    [changed] = json.loads(LogEntry.objects.get(object_repr="orders").change_message)
    assert changed["changed"]["fields"] == ["maxlen: 1000 → 900"]
    published = store.read_published(redis)
    assert published.version == 1, "at once, not limit by limit"
    assert published.limits["orders"].decode() == to_wire(other.rule)
    assert published.limits.keys() == {"same", "orders", "new", "unnamed"}


def test_only_prune_deletes_and_deletions_come_first(
    no_limits: None, redis: Redis, admin_user: Any, django_capture_on_commit_callbacks: Commit
) -> None:
    make_row("zulu")
    make_row("alpha")
    with django_capture_on_commit_callbacks(execute=True):
        shown = import_document(document(READABLE), user_id=admin_user.pk, prune=True)
    assert [(one.key, one.kind) for one in shown] == [("alpha", "delete"), ("zulu", "delete"), ("orders", "create")]
    assert [row.pattern for row in StreamLimit.objects.all()] == ["orders"]
    assert LogEntry.objects.filter(action_flag=DELETION).count() == 2
    assert store.read_published(redis).limits.keys() == {"orders"}


def test_what_was_shown_is_done_or_nothing(no_limits: None, admin_user: Any) -> None:
    """Somebody saves between the differences on the screen and the import."""
    row = make_row("orders", maxlen=500)
    wanted = read_definitions(document(READABLE, READABLE | {"pattern": "new"}))
    shown = compare_definitions(wanted)
    StreamLimit.objects.filter(pk=row.pk).update(maxlen=600)
    with pytest.raises(LimitsMoved, match="look at the differences again"):
        import_definitions(wanted, shown=shown, user_id=admin_user.pk, now=NOW)
    assert list(StreamLimit.objects.values_list("pattern", "maxlen")) == [("orders", 600)]
    assert not LogEntry.objects.exists()


def test_a_limit_that_fails_takes_the_others_with_it(
    no_limits: None, redis: Redis, admin_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody adds `new` while the import runs: its lock holds rows, and that one was none yet."""
    make_row("alpha", maxlen=500)
    wanted = read_definitions(document(READABLE | {"pattern": "alpha"}, READABLE | {"pattern": "new"}))
    real = definitions.create_limit

    def late(row: StreamLimit, **options: Any) -> None:
        make_row("new")
        real(row, **options)

    monkeypatch.setattr(definitions, "create_limit", late)
    with pytest.raises(DefinitionErrors, match="new has a limit already"):
        import_definitions(wanted, shown=compare_definitions(wanted), user_id=admin_user.pk, now=NOW)
    assert StreamLimit.objects.get().maxlen == 500
    assert not LogEntry.objects.exists()
