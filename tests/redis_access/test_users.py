"""The users of docs/security-redis.md, with exactly its rules: each does all that it is there for, and no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from redis.exceptions import NoPermissionError

from snapshots import services as snapshots
from snapshots.models import SnapshotPolicy
from snapshots.publisher import SnapshotReader, sync
from streams import services
from streams.models import StreamLimit
from streams.producer import StreamProducer
from streams.services.samples import take_samples
from tests.faults.conftest import words
from tests.snapshots import factories as records
from tests.streams.factories import fill, make_group, make_row
from tradeul_ops import connections, liveness, task_runs
from tradeul_ops.celery import app
from tradeul_ops.demo.servers import HOST, ValkeyServer, free_port
from tradeul_ops.runs import Outcome

Redis = redis_library.Redis
SOURCE = "snapshot:enriched:latest"


def acl_blocks(repository: Path) -> list[str]:
    """The data server's and the broker's, as the page has them; and a user for the test itself."""
    page = (repository / "docs" / "security-redis.md").read_text()
    own = "user setup on >setup-password ~* &* +@all\n"
    return [own + block for block in re.findall(r"```acl\n(.*?)```", page, flags=re.DOTALL)]


def start(directory: Path, acl: str) -> ValkeyServer:
    directory.mkdir()
    (directory / "users.acl").write_text(acl)
    server = ValkeyServer(directory, free_port(), options={"save": "", "aclfile": str(directory / "users.acl")})
    server.answers = lambda: _listens(server)  # type: ignore[method-assign]  # a stranger's PING is refused
    server.start()
    return server


def _listens(server: ValkeyServer) -> bool:
    try:
        return bool(Redis.from_url(as_user(server, "setup")).ping())
    except redis_library.ConnectionError:
        return False


def as_user(server: ValkeyServer, user: str) -> str:
    return f"redis://{user}:{user}-password@{HOST}:{server.port}/0"


@pytest.fixture
def servers(repository: Path, tmp_path: Path, settings: Any) -> Iterator[tuple[ValkeyServer, ValkeyServer]]:
    """The data server and the broker; settings have the console's users."""
    data_acl, broker_acl = acl_blocks(repository)
    data, broker = start(tmp_path / "data", data_acl), start(tmp_path / "broker", broker_acl)
    settings.REDIS_URL, settings.CELERY_BROKER_URL = as_user(data, "console"), as_user(broker, "broker")
    yield data, broker
    data.stop()
    broker.stop()


@pytest.fixture
def setup(servers: tuple[ValkeyServer, ValkeyServer]) -> Redis:
    """May do everything."""
    return Redis.from_url(as_user(servers[0], "setup"))


Servers = tuple[ValkeyServer, ValkeyServer]


def test_the_console_does_its_work(servers: Servers, setup: Redis, admin_client: Client) -> None:
    StreamLimit.objects.all().delete()
    row = make_row("orders", 1000)
    fill(setup, "orders", 5000)
    make_group(setup, "orders", "scanner", read=4500, acknowledged=4400)
    records.make_policy("test", source_key=SOURCE, is_default=not SnapshotPolicy.objects.filter(is_default=True))
    for price in (1, 2):
        records.put(setup, records.changed(AAPL=price), key=SOURCE)
        (build,) = snapshots.build_snapshots(records.later(5 * price))
        assert build.outcome == Outcome.DONE, build.detail
    services.publish_limits()
    snapshots.publish_policies()
    services.discover_streams(now=timezone.now())
    assert services.enforce_limits(timezone.now()) == 1
    take_samples(now=timezone.now())
    assert setup.xlen("orders") <= 1099
    addresses = ["/", "/streams/", "/snapshots/", "/producers/", "/findings/", "/verify/", "/jobs/"]
    addresses.append(reverse("streams:stream", args=["orders"]))
    for address in [*addresses, f"/streams/limits/{row.pk}/", "/metrics", "/api/v1/internal/memory-metrics"]:
        answer = admin_client.get(address, follow=True)
        text = words(answer.content.decode())
        assert answer.status_code == 200, address
        assert "NOPERM" not in text and "no permission" not in text.lower(), (address, text)


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "session:of-somebody"),
        ("HGETALL", "user:1"),
        ("SET", "session:of-somebody", "x"),
        ("SET", SOURCE, "x"),
        ("XADD", "orders", "*", "a", "b"),
        ("DEL", "orders"),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("ACL", "LIST"),
        ("CLIENT", "LIST"),
        ("SCRIPT", "FLUSH"),
        ("SUBSCRIBE", "orders"),
        ("PUBLISH", "orders", "x"),
        ("EVAL", "return redis.call('GET', KEYS[1])", 1, "session:of-somebody"),
        ("EVAL", "return redis.call('GET', 'session:of-somebody')", 0),
        ("SHUTDOWN",),
    ],
)
def test_the_console_may_not(servers: Servers, command: tuple[Any, ...]) -> None:
    with pytest.raises((NoPermissionError, redis_library.ResponseError), match=r"(?i)perm"):
        connections.data_redis().execute_command(*command)


def test_a_producer_does_its_work(servers: Servers, setup: Redis, wait_until: Callable[..., None], db: None) -> None:
    services.publish_limits()
    with Redis.from_url(as_user(servers[0], "producer")) as client, StreamProducer(client, name="feed") as producer:
        wait_until(lambda: setup.pubsub_numsub("tradeul:streams:limits")[0][1] > 0, "it listens")
        producer.xadd_many("snapshots:raw", ({"n": n} for n in range(300)))
        assert producer.version is not None
        assert producer.get_all_streams_info()
        wait_until(lambda: setup.hlen("tradeul:streams:producers") == 1, "it says hello")
        for command in (
            ("XRANGE", "snapshots:raw", "-", "+"),
            ("XTRIM", "snapshots:raw", "MAXLEN", "0"),
            ("HSET", "tradeul:streams:limits", "a", "b"),
            ("GET", "x"),
            ("FLUSHALL",),
        ):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command)
    assert setup.xlen("snapshots:raw") == 300


def test_a_publisher_and_a_reader_do_their_work(servers: Servers, db: None) -> None:
    publisher = Redis.from_url(as_user(servers[0], "publisher"), protocol=2)
    reader = Redis.from_url(as_user(servers[0], "reader"), protocol=2)
    manager = sync.SnapshotManager(publisher)
    manager.save_snapshot(records.RECORDS)
    follower = SnapshotReader(reader)
    assert follower.state() == records.RECORDS
    manager.save_snapshot(records.changed(AAPL=7))
    follower.refresh()
    assert follower.state() == records.changed(AAPL=7)
    for client, command in (
        (reader, ("SET", "snapshot:{latest}:full", "x")),
        (reader, ("DEL", "snapshot:{latest}:head")),
        (reader, ("HGETALL", "tradeul:streams:limits")),
        (publisher, ("XADD", "orders", "*", "a", "b")),
        (publisher, ("HSET", "tradeul:snapshots:policies", "a", "b")),
        (publisher, ("FLUSHALL",)),
    ):
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)


def test_the_broker_carries_tasks(servers: Servers, settings: Any) -> None:
    before = app.conf.broker_url, app.conf.task_always_eager
    app.conf.broker_url, app.conf.task_always_eager = settings.CELERY_BROKER_URL, False
    try:
        with app.connection_for_write() as connection:
            app.send_task("streams.publish_limits", connection=connection)
            queue = connection.SimpleQueue("celery")
            message = queue.get(timeout=10)
            assert message.headers["task"] == "streams.publish_limits"
            message.ack()
            queue.close()
        assert app.control.inspect(timeout=0.2).ping() is None  # nobody is there, and asking is allowed
    finally:
        app.conf.broker_url, app.conf.task_always_eager = before
    liveness.stamp("worker")
    assert liveness.last_seen("worker") is not None
    task_runs.ended("streams.publish_limits")
    assert task_runs.read_task_runs()
    for command in (("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("GET", "other")):
        with pytest.raises(NoPermissionError):
            connections.broker_redis().execute_command(*command)
