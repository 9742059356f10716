"""The browser's reader and Python's rebuild the same states from the same documents."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from snapshots import services
from snapshots.engine import frame
from snapshots.engine.errors import DocumentUnreadable
from snapshots.engine.names import keys_of
from snapshots.models import SnapshotPolicy
from tests.snapshots import generators
from tests.snapshots.chains import build, exact
from tests.snapshots.factories import RECORDS, later, make_policy, put
from tests.snapshots.make_vectors import VECTORS
from tests.snapshots.test_vectors import bytes_of
from tradeul_ops.demo.servers import free_port

CLIENT = Path(__file__).resolve().parents[2] / "snapshots" / "static" / "snapshots" / "client.js"
node = shutil.which("node")
pytestmark = [
    pytest.mark.skipif(node is None, reason="node is not on PATH"),
    pytest.mark.filterwarnings("ignore:No directory at"),  # WhiteNoise, where no static files were collected
]


def chain_of(snapshots: list[tuple[int, dict[str, Any]]], *, prefer_deltas: bool) -> list[Any]:
    """The documents of the snapshots, each after so many seconds, as JavaScript parses them."""
    published, now_ms, documents = None, 0, []
    for seconds, records in snapshots:
        now_ms += seconds * 1000
        built = build(published, records, now_ms=now_ms)
        part = built.delta if built.delta is not None and (prefer_deltas or built.full is None) else built.full
        assert part is not None
        documents.append(json.loads(frame.unpack(part.stored)))
        published = built.published
    return documents


def rebuild(chains: list[list[Any]], path: Path) -> subprocess.CompletedProcess[str]:
    path.write_text(json.dumps(chains))
    script = Path(__file__).with_name("rebuild.mjs")
    return subprocess.run([str(node), str(script), str(CLIENT), str(path)], capture_output=True, text=True, check=False)


def value_of(plain: Any) -> Any:
    if isinstance(plain, list):
        return [value_of(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "object" in plain:
        return {key: value_of(item) for key, item in plain["object"]}
    if "big" in plain:
        number = int(plain["big"])
        assert abs(number) >= 2**53, "a BigInt where a number would do"
        return number
    assert plain["number"] != "-0"
    number = float(plain["number"])
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


collected: list[list[tuple[int, dict[str, Any]]]] = []


@given(
    st.lists(
        st.tuples(st.sampled_from([5, 5, 300]), st.one_of(generators.snapshots, generators.quiet_snapshots)),
        min_size=1,
        max_size=5,
    )
)
@settings(
    max_examples=300,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def collect(snapshots: list[tuple[int, dict[str, Any]]]) -> None:
    collected.append(snapshots)


def test_both_readers_rebuild_what_the_source_said(tmp_path: Path) -> None:
    collected.clear()
    collect()
    market = generators.market(7, tickers=300)
    ticks = [market]
    for seed in range(5):
        ticks.append(generators.tick(ticks[-1], seed))
    collected.append([(5 if number % 3 else 300, records) for number, records in enumerate(ticks)])
    collected.append(
        [(0, {"A": {"volume": 2**53 - 1}}), (5, {"A": {"volume": 389}}), (5, {"A": {"volume": 1 - 2**53}})]
    )
    for prefer_deltas in (True, False):
        chains = [chain_of(snapshots, prefer_deltas=prefer_deltas) for snapshots in collected]
        done = rebuild(chains, tmp_path / "chains.json")
        assert done.returncode == 0, done.stderr
        for snapshots, answers in zip(collected, json.loads(done.stdout), strict=True):
            for (_, records), answer in zip(snapshots, answers, strict=True):
                assert exact({symbol: value_of(record) for symbol, record in answer}) == exact(records)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda chain: chain[1].update(seq=5), "a gap: the state is at 1, the delta is 5"),
        (lambda chain: chain[1].update(epoch="other"), "a new epoch other began"),
        (lambda chain: chain[1].update(base=0), "numbers rows by 0, not 1"),
        (lambda chain: chain[1].update(v=2), "version 2; this reader knows 1"),
        (lambda chain: chain[1]["groups"][0]["columns"]["price"]["v"].__setitem__(0, 7), "the writer's was"),
        (lambda chain: chain[0]["columns"]["name"].__setitem__(0, "B"), "the writer's was"),
    ],
)
def test_a_wrong_document_is_refused(tmp_path: Path, damage: Any, sentence: str) -> None:
    chain = chain_of(
        [(0, {"A": {"price": 1.25, "name": "a"}}), (5, {"A": {"price": 1.5, "name": "a"}})], prefer_deltas=True
    )
    damage(chain)
    done = rebuild([chain], tmp_path / "chains.json")
    assert done.returncode != 0
    assert sentence in done.stderr


# --- the vectors, in Node and in a browser ----------------------------------------------------------------------------


def steps_of(file: str) -> list[dict[str, Any]]:
    """A vector's steps with each document as text; without the bytes that no HTTP client would get past its decoder."""
    steps = []
    for step in json.loads((VECTORS / file).read_text())["steps"]:
        try:
            text = frame.unpack(bytes_of(step)).decode()
        except DocumentUnreadable:
            continue
        steps.append({"text": text, **{name: step.get(name) for name in ("sequence", "base", "records", "error")}})
    return steps


ALL_STEPS = {entry["file"]: steps_of(entry["file"]) for entry in json.loads((VECTORS / "index.json").read_text())}


def test_node_has_what_the_vectors_say(tmp_path: Path) -> None:
    (tmp_path / "steps.json").write_text(json.dumps(ALL_STEPS))
    script = Path(__file__).with_name("vectors.mjs")
    words = [str(node), str(script), str(CLIENT), str(tmp_path / "steps.json")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {file: len(steps) for file, steps in ALL_STEPS.items()}


# --- over HTTP --------------------------------------------------------------------------------------------------------

TOKEN = "a-token-of-the-tests"
KEYS = keys_of("test")


@contextmanager
def following(url: str, *flags: str) -> Iterator[Any]:
    """A client in Node. Call it to refresh: [changed, sequence, records, fulls, deltas] or the error's text."""
    script = f"""
      const {{ SnapshotClient }} = await import({str(CLIENT)!r});
      const headers = {{ Authorization: "Bearer {TOKEN}" }};
      const client = new SnapshotClient({url!r} + "/snapshot/", {{ list: "test", headers }});
      process.stdin.on("data", async () => {{
        const changed = await client.refresh().catch((error) => `${{error.status ?? error.name}}: ${{error.message}}`);
        const {{ fulls, deltas }} = client.applied;
        console.log(JSON.stringify([changed, client.at?.seq, Object.fromEntries(client.records()), fulls, deltas]));
      }});
    """
    with subprocess.Popen(
        [str(node), *flags, "--input-type=module", "-e", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdin is not None and reader.stdout is not None
        pipes = reader.stdin, reader.stdout

        def refresh() -> Any:
            pipes[0].write("refresh\n")
            pipes[0].flush()
            return json.loads(pipes[1].readline())

        try:
            yield refresh
        finally:
            reader.kill()


@pytest.fixture
def published_list(live_server: Any, redis: redis_library.Redis, settings: Any) -> SnapshotPolicy:
    settings.METRICS_TOKEN = TOKEN
    return make_policy()


def publish(redis: redis_library.Redis, number: int, at: float) -> dict[str, Any]:
    records = {**RECORDS, "TICK": {"price": number / 4, "volume": number}}
    put(redis, records)
    services.build_snapshots(later(at))
    return records


@pytest.mark.django_db(transaction=True)
def test_it_follows_over_http(live_server: Any, redis: redis_library.Redis, published_list: SnapshotPolicy) -> None:
    """A full, a delta, a full crossed, a new epoch: each refresh has what the source says then."""
    with following(live_server.url) as refresh:
        assert refresh()[0] == "404: snapshot test: nothing is published, or it expired."
        ticks = [(0, 1, [1, 0]), (5, 2, [1, 1]), (300, 3, [1, 2]), (305, 4, [1, 3]), (310, 1, [2, 3])]
        for number, (seconds, sequence, applied) in enumerate(ticks):
            if number == 4:
                redis.delete(KEYS.head)
            records = publish(redis, number, seconds)
            assert refresh() == [True, sequence, records, *applied]
        assert refresh() == [False, 1, records, 2, 3]


@pytest.mark.django_db(transaction=True)
def test_it_begins_again_where_deltas_are_gone_or_wrong_and_keeps_what_it_has_while_redis_is_away(
    live_server: Any, redis: redis_library.Redis, published_list: SnapshotPolicy, settings: Any
) -> None:
    with following(live_server.url) as refresh:
        first = publish(redis, 0, 0)
        assert refresh() == [True, 1, first, 1, 0]
        for number in range(1, 4):
            records = publish(redis, number, 5 * number)
        redis.xtrim(KEYS.deltas, maxlen=1, approximate=False)
        # The deltas are gone, and no full is newer: the full again, and what can't follow it waits for the next one.
        assert refresh() == [True, 1, first, 2, 0]
        records = publish(redis, 4, 300)
        assert refresh() == [True, 1, records, 3, 0], "the writer missed the deltas, too: a new epoch"

        publish(redis, 5, 305)
        stored = redis.xrevrange(KEYS.deltas, count=1)[0][1][b"document"]
        wrong = {**json.loads(frame.unpack(stored)), "checksum": "00000000"}
        redis.delete(KEYS.deltas)
        redis.xadd(KEYS.deltas, {"document": json.dumps(wrong)}, id="2-0")
        assert refresh() == [True, 1, records, 4, 0], "a state whose checksum is another"

        url, settings.REDIS_URL = settings.REDIS_URL, f"redis://127.0.0.1:{free_port()}/0"
        said, *kept = refresh()
        assert said.startswith("503: snapshot test: Redis does not answer") and kept[:2] == [1, records]
        settings.REDIS_URL = url
