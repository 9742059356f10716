"""What a browser gets: the newest documents in the encoding it takes, 304 if it has them, and a sentence otherwise."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
import redis as redis_library
import zstandard
from django.contrib.auth.models import User
from django.test import Client

from snapshots import services
from snapshots.engine import frame
from snapshots.engine.names import keys_of
from snapshots.models import SnapshotPolicy
from snapshots.publisher import sync
from snapshots.services import rows, serving
from tests.snapshots.factories import RECORDS, later, make_policy, put

# WhiteNoise warns in every process that has no collected static files.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]
KEYS = keys_of("test")
ROWS = ("full/latest?shape=rows", "delta/latest?shape=rows")
PAGE = "https://app.example.com"


def one_member(body: bytes) -> bytes:
    """As Chromium reads gzip: to the end of the first member, which has to be the end of all."""
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    text = reader.decompress(body)
    assert reader.eof and not reader.unused_data
    return text


def test_the_guides_addresses_serve_the_default_snapshot(machine: Client, published: redis_library.Redis) -> None:
    full = machine.get("/snapshot/full/latest")
    assert (full["Content-Type"], full.json()["kind"], full.json()["seq"]) == ("application/json", "full", 1)
    delta = machine.get("/snapshot/delta/latest").json()
    assert (delta["kind"], delta["seq"], delta["base"]) == ("delta", 3, 1)
    head = machine.get("/snapshot/head/latest").json()
    assert (head["name"], head["seq"], head["base"], head["tickers"]) == ("test", 3, 1, 40)
    assert head["checksum"] == delta["checksum"]
    for kind in ("full", "delta", "head"):
        named = machine.get(f"/snapshot/{kind}/latest?list=test")
        assert named.content == machine.get(f"/snapshot/{kind}/latest").content


def test_deltas_are_all_that_came_after_the_sequence(machine: Client, published: redis_library.Redis) -> None:
    answer = machine.get("/snapshot/test/since/1").json()
    assert ([delta["seq"] for delta in answer["deltas"]], answer["seq"], answer["base"]) == ([2, 3], 3, 1)
    assert [delta["seq"] for delta in machine.get("/snapshot/test/since/2").json()["deltas"]] == [3]
    assert machine.get(f"/snapshot/test/since/3?epoch={answer['epoch']}").json()["deltas"] == []


@pytest.mark.parametrize("encoding", ["zstd", "gzip", ""])
def test_a_long_chain_comes_in_several_answers(
    machine: Client, published: redis_library.Redis, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {}
    for sequence in (2, 3):
        stored = published.xrange(KEYS.deltas, f"{sequence}-0", f"{sequence}-0")[0][1][b"document"]
        sizes[sequence] = frame.size_of(stored)
    read = {"zstd": lambda body: zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True).read()}
    read |= {"gzip": one_member, "": bytes}

    def since(sequence: int, at_most: int) -> list[Any]:
        monkeypatch.setattr(serving, "ANSWER_BYTES", at_most)
        response = machine.get(f"/snapshot/test/since/{sequence}", headers={"Accept-Encoding": encoding})
        answer = json.loads(read[encoding](response.content))
        return [answer["seq"], answer["head"], [delta["seq"] for delta in answer["deltas"]]]

    assert since(1, sizes[2] + sizes[3]) == [3, 3, [2, 3]]
    assert since(1, sizes[2] + sizes[3] - 1) == [2, 3, [2]]
    assert since(2, sizes[2]) == [3, 3, [3]]
    assert since(1, 1) == [2, 3, [2]], "one at least"
    assert since(3, 1) == [3, 3, []]


@pytest.mark.parametrize("path", ["0", "4", "9999999999999999999999", "2?epoch=another"])
def test_what_cannot_be_continued_is_gone_and_says_where_to_begin(
    machine: Client, published: redis_library.Redis, path: str
) -> None:
    response = machine.get(f"/snapshot/test/since/{path}")
    assert (response.status_code, response.json()["full_sequence"]) == (410, 1)
    assert "read the full 1" in response.json()["error"]
    assert response["Cache-Control"] == "no-store"
    assert machine.get(response.json()["full"]).json()["seq"] == 1


def test_deltas_that_were_trimmed_are_gone(machine: Client, published: redis_library.Redis) -> None:
    published.xtrim(KEYS.deltas, maxlen=1, approximate=False)
    assert machine.get("/snapshot/test/since/1").status_code == 410
    assert machine.get("/snapshot/test/since/2").status_code == 200


@pytest.mark.parametrize("sequence", ["", "x", "-1", "1.5", "²", "9" * 5000])
def test_since_must_be_a_sequence(machine: Client, published: redis_library.Redis, sequence: str) -> None:
    assert machine.get(f"/snapshot/test/since/{sequence}").status_code == 404


def test_there_is_no_newest_delta_while_the_newest_build_is_a_full(machine: Client, redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    services.build_snapshots(later(0))
    assert machine.get("/snapshot/delta/latest?list=test").json()["full_sequence"] == 1


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, zstd;q=0", "gzip"),
        ("ZSTD", "zstd"),
        ("*", "zstd"),
        ("identity", ""),
        ("gzip;q=0, *;q=0", ""),
        ("gzip;q=0.5", "gzip"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("path", ["full/latest", "delta/latest", "test/since/1", "test/since/3", *ROWS])
def test_the_encoding_is_what_the_client_takes(
    machine: Client, published: redis_library.Redis, path: str, accepts: str, encoding: str
) -> None:
    plain = machine.get(f"/snapshot/{path}").content
    for _ in range(2):  # made, and kept
        response = machine.get(f"/snapshot/{path}", headers={"accept-encoding": accepts})
        assert response.get("Content-Encoding", "") == encoding
        assert {"Accept-Encoding", "Authorization", "Cookie", "Origin"} <= set(response["Vary"].split(", "))
        decode = {
            "zstd": lambda body: zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True).read(),
            "gzip": one_member,
        }
        assert decode.get(encoding, bytes)(response.content) == plain
    if encoding == "zstd" and path == "full/latest":
        assert response.content == published.get(KEYS.full), "not as it is stored"


def test_a_document_too_small_to_compress_is_sent_as_it_is(machine: Client, redis: redis_library.Redis) -> None:
    sync.SnapshotManager(redis, name="small", delta_compression_threshold=10_000).save_snapshot(RECORDS)
    response = machine.get("/snapshot/full/latest?list=small", headers={"accept-encoding": "zstd, gzip"})
    assert "Content-Encoding" not in response
    assert response.json()["symbols"] == ["MSFT", "AAPL"]


@pytest.mark.parametrize("path", ["full/latest", "delta/latest", "test/since/1", "head/latest", *ROWS])
def test_who_has_it_gets_304_until_something_new_is_built(
    machine: Client, published: redis_library.Redis, path: str
) -> None:
    first = machine.get(f"/snapshot/{path}")
    assert first["ETag"].startswith('"'), "a weak tag"
    assert first["Cache-Control"] == "private, no-cache"
    again = machine.get(f"/snapshot/{path}", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    other = machine.get(f"/snapshot/{path}", headers={"if-none-match": first["ETag"], "accept-encoding": "gzip"})
    assert other.status_code == 200 and other["ETag"] != first["ETag"], "other bytes under the same strong tag"
    services.build_snapshots(later(300))
    assert machine.get(f"/snapshot/{path}", headers={"if-none-match": first["ETag"]}).status_code == 200


def test_nothing_built_yet_is_404_and_says_so(machine: Client, redis: redis_library.Redis) -> None:
    for path in ("full/latest", "delta/latest", "enriched/since/1", "head/latest", "full/latest?shape=rows"):
        response = machine.get(f"/snapshot/{path}")
        assert response.status_code == 404
        assert response.json() == {"error": "snapshot enriched: nothing is published, or it expired."}
    assert machine.get("/snapshot/full/latest?list=a b").status_code == 404
    assert machine.get("/snapshot/a b/since/1").status_code == 404


def test_a_managers_snapshot_is_served_by_its_name_and_as_latest(machine: Client, redis: redis_library.Redis) -> None:
    sync.SnapshotManager(redis).save_snapshot(RECORDS)
    assert machine.get("/snapshot/full/latest?list=latest").json()["name"] == "latest"
    SnapshotPolicy.objects.update(is_default=False)
    assert machine.get("/snapshot/full/latest").json()["name"] == "latest"


def test_redis_away_is_503_and_says_so(machine: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = machine.get("/snapshot/full/latest")
    assert response.status_code == 503
    assert "Redis does not answer" in response.json()["error"]


def test_strangers_and_other_methods_are_refused(machine: Client, published: redis_library.Redis) -> None:
    assert Client().get("/snapshot/full/latest").status_code == 401
    assert machine.post("/snapshot/full/latest").status_code == 405
    person = Client()
    person.force_login(User.objects.create_user("ana"))
    assert person.get("/snapshot/head/latest").status_code == 200


# --- rows ------------------------------------------------------------------------------------------------------------


def test_rows_are_what_the_source_says_now(machine: Client, redis: redis_library.Redis) -> None:
    make_policy()
    records = {**RECORDS, "BIG": {"id": 2**70, "seen": 1755612345678901234, "tags": ["a", {}], "day": {"v": 1}}}
    put(redis, records)
    services.build_snapshots(later(0))
    full = machine.get("/snapshot/full/latest?list=test&shape=rows").json()
    assert (full["type"], full["sequence"], full["count"], full["data"]) == ("full", 1, 3, records)
    no_delta = machine.get("/snapshot/delta/latest?list=test&shape=rows")
    assert (no_delta.status_code, no_delta.json()["full_sequence"]) == (410, 1)

    after = {**records, "AAPL": {**RECORDS["AAPL"], "price": 102.5}, "NEW": {"price": 5, "day": {"v": 2}}}
    del after["MSFT"]
    put(redis, after)
    services.build_snapshots(later(5))
    delta = machine.get("/snapshot/delta/latest?list=test&shape=rows").json()
    assert (delta["type"], delta["sequence"]) == ("delta", 2)
    assert delta["added"] == {"NEW": after["NEW"]}
    assert delta["updated"] == {"AAPL": after["AAPL"]}
    assert delta["removed"] == ["MSFT"]
    assert machine.get("/snapshot/full/latest?list=test&shape=rows").json()["data"] == after


def test_rows_of_a_delta_over_a_full_need_the_state_before_it(machine: Client, published: redis_library.Redis) -> None:
    assert machine.get("/snapshot/delta/latest?shape=rows").json()["sequence"] == 3
    services.build_snapshots(later(300))
    assert machine.get("/snapshot/delta/latest?shape=rows").json()["sequence"] == 4
    rows._followed.clear()  # a process that came after it
    rows._kept._values.clear()
    gone = machine.get("/snapshot/delta/latest?shape=rows")
    assert (gone.status_code, gone.json()["full_sequence"]) == (410, 4)
    assert machine.get("/snapshot/full/latest?shape=rows").json()["sequence"] == 4


def test_a_new_epoch_begins_the_rows_anew(machine: Client, published: redis_library.Redis) -> None:
    before = machine.get("/snapshot/full/latest?shape=rows").json()
    published.delete(KEYS.head)
    put(published, RECORDS)
    services.build_snapshots(later(15))
    after = machine.get("/snapshot/full/latest?shape=rows").json()
    assert after["epoch"] != before["epoch"] and after["data"] == RECORDS


def test_rows_are_not_for_since_and_other_shapes_are_none(machine: Client, published: redis_library.Redis) -> None:
    assert machine.get("/snapshot/test/since/1?shape=rows").status_code == 400
    assert machine.get("/snapshot/full/latest?shape=round").json() == {"error": "shape must be columns or rows."}
