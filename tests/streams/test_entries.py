"""store.read_entries and read_group: what a stream's page shows, bounded whatever the stream holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis as redis_library

from streams import store
from streams.engine.entries import CHARACTERS_SHOWN, EntryPage, readable
from streams.engine.ids import EntryId, parse_id
from streams.store import entries
from tests.streams.factories import fill, make_group

Redis = redis_library.Redis


def ids(page: EntryPage) -> list[int]:
    return [parse_id(entry.id).ms for entry in page.entries]


def flat(pages: list[list[int]]) -> list[int]:
    return [number for page in pages for number in page]


def walk(client: Redis, way: str, page: EntryPage) -> list[list[int]]:
    """Every page from here, in the order of reading; a page that repeats itself would never end."""
    read = [ids(page)]
    while cursor := getattr(page, way):
        before, after = (parse_id(cursor), None) if way == "older" else (None, parse_id(cursor))
        page = store.read_entries(client, "orders", before=before, after=after)
        read.append(ids(page))
        assert len(read) < 20
    return read


def test_pages_meet_without_gap_or_overlap_in_both_directions(redis: Redis) -> None:
    fill(redis, "orders", 120)
    older = walk(redis, "older", store.read_entries(redis, "orders"))
    assert [len(page) for page in older] == [50, 50, 20]
    assert flat(older) == list(range(120, 0, -1))
    newer = walk(redis, "newer", store.read_entries(redis, "orders", after=EntryId(0, 0)))
    assert flat(newer[::-1]) == list(range(120, 0, -1))


def test_the_ends_say_that_they_are_ends(redis: Redis) -> None:
    fill(redis, "orders", 60)
    newest = store.read_entries(redis, "orders")
    assert (newest.newer, newest.older) == (None, "11-0")
    oldest = store.read_entries(redis, "orders", after=EntryId(0, 0))
    assert (oldest.newer, oldest.older) == ("50-0", None)
    assert store.read_entries(redis, "absent") == EntryPage((), None, None)
    assert store.read_entries(redis, "orders", before=EntryId(0, 0)).entries == ()


def test_a_page_ends_where_enough_bytes_were_touched(redis: Redis) -> None:
    for number in range(1, 11):
        redis.xadd("orders", {"data": b"x" * 900_000}, id=f"{number}-0")
    page = store.read_entries(redis, "orders")
    assert ids(page) == [10, 9, 8]
    assert [entry.fields[0][1].kind for entry in page.entries] == ["large"] * 3
    assert page.entries[0].fields[0][1].bytes == 900_000
    assert flat(walk(redis, "older", page)) == list(range(10, 0, -1))


def test_many_fields_and_long_names_are_cut(redis: Redis) -> None:
    redis.xadd("orders", {f"{number}" + "n" * 1000: number for number in range(60)})
    (entry,) = store.read_entries(redis, "orders").entries
    assert (entry.field_count, len(entry.fields)) == (60, entries.FIELDS_SHOWN)
    assert max(len(name) for name, _ in entry.fields) == 200


@pytest.mark.parametrize(
    ("raw", "kind", "shown"),
    [
        (b'{"b":[1,2]}', "json", '{\n  "b": [\n    1,\n    2\n  ]\n}'),
        ('{"n":"ñ"}'.encode(), "json", '{\n  "n": "ñ"\n}'),
        (b'{"half":"\\ud800"}', "json", '{\n  "half": "\\ud800"\n}'),
        (b"[1,", "text", "[1,"),
        (b"12.5", "text", "12.5"),
        (b"", "text", ""),
        (b"\xff\xfe", "binary", ""),
        (b"a\x00b", "binary", ""),
        (None, "large", ""),
        (b"[" * 50_000, "text", "[" * CHARACTERS_SHOWN),
    ],
)
def test_values_read_as_what_they_are(raw: bytes | None, kind: str, shown: str) -> None:
    value = readable(raw, size=7)
    assert (value.kind, value.shown, value.bytes) == (kind, shown, 7)
    value.shown.encode()  # what a browser can be sent


def test_long_json_is_cut_and_says_so() -> None:
    value = readable(json.dumps({"a": ["x" * 50] * 500}).encode(), size=27_000)
    assert value.cut and value.folded and len(value.shown) == CHARACTERS_SHOWN
    assert len(value.line) <= 101 and value.line.endswith("…")


# --- groups ----------------------------------------------------------------------------------------------------------


def test_a_group_is_read_with_its_consumers_and_what_they_hold(redis: Redis) -> None:
    fill(redis, "orders", 30)
    make_group(redis, "orders", "scanner", read=20, acknowledged=5)
    redis.xreadgroup("scanner", "other", {"orders": ">"}, count=2)
    redis.xgroup_createconsumer("orders", "scanner", "idle")
    detail = store.read_group(redis, "orders", "scanner")
    assert [(one.name, one.pending) for one in detail.consumers] == [("consumer", 15), ("other", 2), ("idle", 0)]
    assert [entry.id for entry in detail.pending] == [f"{number}-0" for number in range(6, 23)]
    only = store.read_group(redis, "orders", "scanner", consumer="other")
    assert [entry.id for entry in only.pending] == ["21-0", "22-0"]
    assert store.read_group(redis, "orders", "scanner", consumer="nobody").pending == ()


def test_a_group_with_a_name_that_is_no_text_is_found(redis: Redis) -> None:
    fill(redis, "orders", 3)
    name: Any = b"g\xff"
    redis.xgroup_create("orders", name, "0")
    (state,) = store.read_states(redis, ["orders"])["orders"].groups  # type: ignore[union-attr]
    assert store.read_group(redis, "orders", state.name).consumer_count == 0


def test_a_group_that_is_gone_is_named(redis: Redis) -> None:
    fill(redis, "orders", 3)
    with pytest.raises(store.StreamError, match="NOGROUP"):
        store.read_group(redis, "orders", "gone")
