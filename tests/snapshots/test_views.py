"""What a browser gets: the newest documents in the encoding it takes, 304 if it has them, and a sentence otherwise."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
import zstandard
from django.contrib.auth.models import User
from django.test import Client

from snapshots import services
from snapshots.engine.names import keys_of
from snapshots.models import SnapshotPolicy
from snapshots.publisher import sync
from tests.snapshots import generators
from tests.snapshots.factories import RECORDS, later, make_policy, put

# WhiteNoise warns in every process that has no collected static files.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]
node = shutil.which("node")
TOKEN = "a-token-of-the-tests"
KEYS = keys_of("test")


@pytest.fixture
def client(settings: Any) -> Client:
    settings.METRICS_TOKEN = TOKEN
    return Client(headers={"authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def published(redis: redis_library.Redis) -> redis_library.Redis:
    """A full and two deltas, of 40 tickers; the snapshot is the default one."""
    SnapshotPolicy.objects.update(is_default=False)
    make_policy(is_default=True)
    records = generators.market(3, tickers=40)
    for number in range(3):
        put(redis, records)
        services.build_snapshots(later(5 * number))
        records = generators.tick(records, number)
    return redis


def test_the_guides_addresses_serve_the_default_snapshot(client: Client, published: redis_library.Redis) -> None:
    full = client.get("/snapshot/full/latest")
    assert (full["Content-Type"], full.json()["kind"], full.json()["seq"]) == ("application/json", "full", 1)
    delta = client.get("/snapshot/delta/latest").json()
    assert (delta["kind"], delta["seq"], delta["base"]) == ("delta", 3, 1)
    head = client.get("/snapshot/head").json()
    assert (head["name"], head["seq"], head["base"], head["tickers"]) == ("test", 3, 1, 40)
    assert head["checksum"] == delta["checksum"]
    for path in ("full", "delta", "head"):
        latest = {"full": "full/latest", "delta": "delta/latest", "head": "head"}[path]
        assert client.get(f"/snapshot/test/{path}").content == client.get(f"/snapshot/{latest}").content


def test_deltas_are_all_that_came_after_since(client: Client, published: redis_library.Redis) -> None:
    answer = client.get("/snapshot/deltas?since=1").json()
    assert ([delta["seq"] for delta in answer["deltas"]], answer["seq"], answer["base"]) == ([2, 3], 3, 1)
    assert [delta["seq"] for delta in client.get("/snapshot/test/deltas?since=2").json()["deltas"]] == [3]
    assert client.get(f"/snapshot/deltas?since=3&epoch={answer['epoch']}").json()["deltas"] == []


@pytest.mark.parametrize("query", ["since=0", "since=4", "since=2&epoch=another"])
def test_what_cannot_be_continued_is_gone_and_says_where_to_begin(
    client: Client, published: redis_library.Redis, query: str
) -> None:
    response = client.get(f"/snapshot/deltas?{query}")
    assert (response.status_code, response.json()["full_sequence"]) == (410, 1)
    assert "read the full 1" in response.json()["error"]


def test_deltas_that_were_trimmed_are_gone(client: Client, published: redis_library.Redis) -> None:
    published.xtrim(KEYS.deltas, maxlen=1, approximate=False)
    assert client.get("/snapshot/deltas?since=1").status_code == 410
    assert client.get("/snapshot/deltas?since=2").status_code == 200


@pytest.mark.parametrize("since", ["", "x", "-1", "1.5", "²", "9" * 19])
def test_since_must_be_a_sequence(client: Client, published: redis_library.Redis, since: str) -> None:
    assert client.get("/snapshot/deltas", {"since": since}).status_code == 400


def test_there_is_no_newest_delta_while_the_newest_build_is_a_full(client: Client, redis: redis_library.Redis) -> None:
    make_policy()
    put(redis, RECORDS)
    services.build_snapshots(later(0))
    assert client.get("/snapshot/test/delta").json()["full_sequence"] == 1


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
@pytest.mark.parametrize("path", ["full/latest", "delta/latest", "deltas?since=1"])
def test_the_encoding_is_what_the_client_takes(
    client: Client, published: redis_library.Redis, path: str, accepts: str, encoding: str
) -> None:
    plain = client.get(f"/snapshot/{path}").content
    for _ in range(2):  # made, and kept
        response = client.get(f"/snapshot/{path}", headers={"accept-encoding": accepts})
        assert response.get("Content-Encoding", "") == encoding
        assert {"Accept-Encoding", "Authorization", "Cookie"} <= set(response["Vary"].split(", "))
        decode = {
            "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
            "gzip": gzip.decompress,
        }
        assert decode.get(encoding, bytes)(response.content) == plain
    if encoding == "zstd" and path == "full/latest":
        assert response.content == published.get(KEYS.full), "not as it is stored"


def test_a_document_too_small_to_compress_is_sent_as_it_is(client: Client, redis: redis_library.Redis) -> None:
    sync.SnapshotManager(redis, name="small", delta_compression_threshold=10_000).save_snapshot(RECORDS)
    response = client.get("/snapshot/small/full", headers={"accept-encoding": "zstd, gzip"})
    assert "Content-Encoding" not in response
    assert response.json()["symbols"] == ["MSFT", "AAPL"]


@pytest.mark.parametrize("path", ["full/latest", "delta/latest", "deltas?since=1", "head"])
def test_who_has_it_gets_304_until_something_new_is_built(
    client: Client, published: redis_library.Redis, path: str
) -> None:
    first = client.get(f"/snapshot/{path}")
    assert first["ETag"].startswith('W/"')
    again = client.get(f"/snapshot/{path}", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    services.build_snapshots(later(300))
    assert client.get(f"/snapshot/{path}", headers={"if-none-match": first["ETag"]}).status_code == 200


def test_nothing_built_yet_is_404_and_says_so(client: Client, redis: redis_library.Redis) -> None:
    for path in ("full/latest", "delta/latest", "deltas?since=1", "head"):
        response = client.get(f"/snapshot/{path}")
        assert response.status_code == 404
        assert response.json() == {"error": "snapshot enriched: nothing is published, or it expired."}
    assert client.get("/snapshot/a b/full").status_code == 404


def test_a_managers_snapshot_is_served_by_its_name_and_as_latest(client: Client, redis: redis_library.Redis) -> None:
    sync.SnapshotManager(redis).save_snapshot(RECORDS)
    assert client.get("/snapshot/latest/full").json()["name"] == "latest"
    SnapshotPolicy.objects.update(is_default=False)
    assert client.get("/snapshot/full/latest").json()["name"] == "latest"


def test_redis_away_is_503_and_says_so(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = client.get("/snapshot/full/latest")
    assert response.status_code == 503
    assert "Redis does not answer" in response.json()["error"]


def test_strangers_and_other_methods_are_refused(client: Client, published: redis_library.Redis) -> None:
    assert Client().get("/snapshot/full/latest").status_code == 401
    assert client.post("/snapshot/full/latest").status_code == 405
    person = Client()
    person.force_login(User.objects.create_user("ana"))
    assert person.get("/snapshot/head").status_code == 200


@pytest.mark.skipif(node is None, reason="node is not on PATH")
@pytest.mark.django_db(transaction=True)
def test_the_browsers_client_follows_over_http(
    live_server: Any, redis: redis_library.Redis, settings: Any, repository: Path
) -> None:
    """A full, a delta, a full crossed, a new epoch: each refresh shows what the source says then."""
    settings.METRICS_TOKEN = TOKEN
    make_policy()
    script = f"""
      const {{ SnapshotClient }} = await import({str(repository / "snapshots/static/snapshots/client.js")!r});
      const headers = {{ Authorization: "Bearer {TOKEN}" }};
      const client = new SnapshotClient({live_server.url!r} + "/snapshot/test/", {{ headers }});
      process.stdin.on("data", async () => {{
        const changed = await client.refresh();
        console.log(JSON.stringify([changed, client.at.seq, Object.fromEntries(client.records())]));
      }});
    """
    with subprocess.Popen(
        [str(node), "--input-type=module", "-e", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as browser:
        assert browser.stdin is not None and browser.stdout is not None
        try:
            for number, (seconds, sequence) in enumerate([(0, 1), (5, 2), (300, 3), (305, 4), (310, 1)]):
                records = {**RECORDS, "TICK": {"price": number / 4, "volume": number}}
                put(redis, records)
                if number == 4:
                    redis.delete(KEYS.head)
                services.build_snapshots(later(seconds))
                browser.stdin.write("refresh\n")
                browser.stdin.flush()
                assert json.loads(browser.stdout.readline()) == [True, sequence, records]
        finally:
            browser.kill()
