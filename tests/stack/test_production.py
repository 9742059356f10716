"""The web process as the image starts it: a reload and a stop lose no request, files are served, ids reach workers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tradeul_ops.demo.servers import HOST, PostgresServer, ValkeyServer, free_port
from tradeul_ops.demo.stack import BACKGROUND

pytestmark = pytest.mark.stack
SOON = timedelta(seconds=90)  # a busy machine takes long to start a worker


def command_of_the_image(repository: Path) -> list[str]:
    """The Dockerfile's CMD."""
    (said,) = re.findall(r"^CMD (\[.+\])$", (repository / "Dockerfile").read_text(), re.M)
    words: list[str] = json.loads(said)
    assert words[0] == "gunicorn"
    return words


class Production:
    def __init__(self, directory: Path, repository: Path) -> None:
        self.directory, self.repository, self.port = directory, repository, free_port()
        self.postgres = PostgresServer(directory / "postgres", free_port())
        self.redis = ValkeyServer(directory / "redis", free_port())
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.postgres.start()
        self.redis.start()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tradeul_ops.settings",
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "CELERY_BROKER_URL": self.redis.url.replace("/0", "/1"),
            "SECRET_KEY": "of the test " * 6,
            "HTTPS": "false",
            "LOG_FORMAT": "json",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.manage("migrate", "--verbosity", "0")
        self.manage("operator", "ana", said=b"right and long")

    def manage(self, *words: str, said: bytes = b"") -> None:
        command = [sys.executable, "manage.py", *words]
        subprocess.run(
            command, cwd=self.repository, env=self.environment, input=said, check=True, stdout=subprocess.DEVNULL
        )

    def spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.repository, env=self.environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def web(self) -> subprocess.Popen[bytes]:
        program, *options = command_of_the_image(self.repository)
        options[options.index("--bind") + 1] = f"{HOST}:{self.port}"
        return self.spawn("web", [sys.executable, "-m", program, *options])

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def get(self, path: str, **headers: str) -> tuple[int, bytes, Any]:
        asked = urllib.request.Request(f"http://{HOST}:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return answer.status, answer.read(), answer.headers

    def answers(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.redis.stop()
        self.postgres.stop()


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    running = Production(tmp_path_factory.mktemp("production"), Path(__file__).resolve().parent.parent.parent)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def web(production: Production, wait_until: Callable[..., None]) -> Iterator[subprocess.Popen[bytes]]:
    process = production.web()
    wait_until(production.answers, "the web process to answer", within=SOON)
    yield process
    process.terminate()
    process.wait(40)


class Clients:
    """Ask without a pause, from some threads; every answer and every failure is kept."""

    def __init__(self, production: Production) -> None:
        self.production = production
        self.answered: list[int] = []
        self.failed: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def _ask(self) -> None:
        while not self._ended.is_set():
            try:
                self.answered.append(self.production.get("/login/")[0])
            except (OSError, urllib.error.URLError) as error:
                self.failed.append(repr(error))

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def workers_of(web: subprocess.Popen[bytes]) -> set[int]:
    return {child.pid for child in psutil.Process(web.pid).children()}


def test_a_reload_under_clients_loses_no_request(
    production: Production, web: subprocess.Popen[bytes], wait_until: Callable[..., None]
) -> None:
    before = workers_of(web)
    assert len(before) == 2
    with Clients(production) as clients:
        wait_until(lambda: len(clients.answered) > 20, "answers before the reload", within=SOON)
        web.send_signal(signal.SIGHUP)
        wait_until(lambda: len(now := workers_of(web)) == 2 and not now & before, "new workers alone", within=SOON)
        at_the_reload = len(clients.answered)
        wait_until(lambda: len(clients.answered) > at_the_reload + 20, "answers of the new workers", within=SOON)
    assert clients.failed == []
    assert set(clients.answered) == {200}


def test_a_stop_lets_a_request_end(production: Production, wait_until: Callable[..., None]) -> None:
    """A page that waits for a lock in PostgreSQL when SIGTERM comes is answered all the same."""
    import psycopg

    web = production.web()
    wait_until(production.answers, "the web process to answer", within=SOON)
    found: list[int] = []
    with psycopg.connect(production.postgres.url) as locked:
        locked.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE")
        asking = threading.Thread(
            target=lambda: found.append(production.get("/login/", Cookie="sessionid=" + "a" * 32)[0])
        )
        asking.start()

        def waits() -> bool:
            with psycopg.connect(production.postgres.url) as other:
                asked = other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
                return bool(asked and asked[0])

        wait_until(waits, "the request to wait for the lock", within=SOON)
        web.send_signal(signal.SIGTERM)
        wait_until(lambda: "Handling signal: term" in production.log("web"), "the stop to begin", within=SOON)
        assert found == []
        locked.rollback()
    asking.join()
    assert found == [200]
    assert web.wait(30) == 0


def test_static_files_come_from_the_web_process(production: Production, web: object) -> None:
    status, body, headers = production.get("/static/console/console.css")
    assert (status, headers["Content-Type"]) == (200, 'text/css; charset="utf-8"') and len(body) > 1000
    assert production.get("/static/snapshots/client.js")[2]["Content-Type"].startswith("text/javascript")
    assert "server" not in {name.lower() for name in headers} or "/" not in headers["Server"]  # no version


def test_a_requests_id_reaches_the_worker_that_does_what_it_asked(
    production: Production, web: object, wait_until: Callable[..., None]
) -> None:
    """Over HTTP: log in, press “Run now”. The worker can't reach its data, and its warning names the request."""
    import http.cookiejar
    from urllib.parse import urlencode

    environment = production.environment
    production.environment = {**environment, "REDIS_URL": f"redis://{HOST}:{free_port()}/0"}
    worker = production.spawn("worker", list(BACKGROUND["worker"]))
    production.environment = environment
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    site = f"http://{HOST}:{production.port}"

    def post(page: str, action: str, **fields: str) -> int:
        html = opener.open(site + page, timeout=20).read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
        assert token is not None
        body = urlencode({**fields, "csrfmiddlewaretoken": token[1]}).encode()
        asked = urllib.request.Request(site + action, body, {"X-Request-ID": "pressed-by-ana"})
        return int(opener.open(asked, timeout=20).status)

    assert post("/login/", "/login/", username="ana", password="right and long") == 200
    assert post("/jobs/", "/jobs/run", task="streams.take_samples") == 200

    def told() -> list[Any]:
        lines = [json.loads(line) for line in production.log("worker").splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("id") == "pressed-by-ana" and line["level"] == "WARNING"]

    wait_until(told, "the worker to warn under the request's id", within=SOON)
    assert told()[0]["logger"] == "streams.tasks"
    worker.terminate()
    worker.wait(30)


def test_two_web_processes_and_two_workers_share_the_servers(
    production: Production, web: object, wait_until: Callable[..., None]
) -> None:
    """What is due is done once: 40 sweeps asked of two workers at once leave one record of each trim."""
    import psycopg

    from tradeul_ops import connections

    with connections.client(production.redis.url) as client:
        pipe = client.pipeline(transaction=False)
        for _ in range(3000):
            pipe.xadd("events:session", {"data": "x" * 20})
        pipe.execute()
    command = [*BACKGROUND["worker"], "--hostname"]
    workers = [production.spawn(f"worker-{name}", [*command, f"{name}@%h"]) for name in ("one", "two")]
    code = "from tradeul_ops.celery import app\nfor _ in range(40): app.send_task('streams.enforce_limits')"
    subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        cwd=production.repository,
        env=production.environment,
        check=True,
    )

    def done() -> bool:
        with connections.client(production.environment["CELERY_BROKER_URL"]) as broker:
            return not broker.llen("celery") and not broker.hlen("unacked")

    wait_until(done, "both workers to have taken everything", within=timedelta(seconds=60))
    with psycopg.connect(production.postgres.url) as database:
        rows = database.execute("SELECT trimmed FROM streams_trimrun WHERE stream = 'events:session'").fetchall()
    with connections.client(production.redis.url) as client:
        assert sum(count for (count,) in rows) == 3000 - client.xlen("events:session")
    first, production.port = production.port, free_port()
    try:
        production.web()
        wait_until(production.answers, "the second web process", within=SOON)
    finally:
        production.port = first
    for worker in workers:
        worker.terminate()
        assert worker.wait(30) == 0
