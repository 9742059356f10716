"""A line of the log: one line, in words or JSON, with the id of its request; and errors told to a Sentry server."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tradeul_ops import logs
from tradeul_ops.console import pages


def line(formatter: logging.Formatter, message: str, *args: object, **more: Any) -> str:
    record = logging.LogRecord("streams.tasks", logging.WARNING, __file__, 1, message, args, more.pop("exc_info", None))
    record.__dict__.update(more)
    return formatter.format(record)


def test_a_line_as_json_is_one_object_whatever_is_in_it() -> None:
    try:
        raise ValueError("two\nlines \ud800")
    except ValueError:
        said = line(logs.Json(), "%s was\nrefused \ud800", "a:b", exc_info=sys.exc_info(), status_code=403)
    assert "\n" not in said and said.isascii()
    read = json.loads(said)
    assert read.keys() == {"at", "level", "logger", "message", "status", "exception"}
    assert (read["level"], read["logger"], read["status"]) == ("WARNING", "streams.tasks", 403)
    assert read["message"] == "a:b was\nrefused \ud800" and "ValueError" in read["exception"]


def test_a_line_in_words_names_the_request_it_belongs_to() -> None:
    assert line(logs.Console(), "no").endswith(" WARNING streams.tasks: no")
    before = logs.current_id.set("abcdefgh")
    try:
        assert line(logs.Console(), "no").endswith(" WARNING streams.tasks [abcdefgh]: no")
        assert json.loads(line(logs.Json(), "no"))["id"] == "abcdefgh"
    finally:
        logs.current_id.reset(before)


@pytest.mark.parametrize(
    "said",
    ["", "short", "a b c d e f g h", "x" * 65, "-" * 10, "12345678\r\nSet-Cookie: a=b", "id<script>", "ñañañañaña"],
)
def test_an_id_that_is_not_well_formed_is_replaced(client: Client, db: None, said: str) -> None:
    found = client.get("/healthz", headers={"X-Request-ID": said})["X-Request-ID"]
    assert found != said and logs.WELL_FORMED.fullmatch(found)


def test_every_answer_says_its_id_and_its_log_has_it(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.Json())
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        answers = [client.get("/nothing/here", headers={"X-Request-ID": name}) for name in ("first-one", "second-one")]
    finally:
        logger.removeHandler(handler)
    assert [answer["X-Request-ID"] for answer in answers] == ["first-one", "second-one"]
    assert [json.loads(said)["id"] for said in capsys.readouterr().err.splitlines()] == ["first-one", "second-one"]
    assert client.get("/healthz")["X-Request-ID"] != client.get("/healthz")["X-Request-ID"]
    assert logs.current_id.get() == ""


def test_a_failing_page_has_an_id_too(client: Client, db: None, redis: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("of the test")

    monkeypatch.setattr(pages, "read_producers", fail)
    client.force_login(get_user_model().objects.create_user("luis"))
    client.raise_request_exception = False
    answer = client.get("/producers/", headers={"X-Request-ID": "failing-one"})
    assert (answer.status_code, answer["X-Request-ID"]) == (500, "failing-one")
    assert b"of the test" not in answer.content


# --- Sentry ----------------------------------------------------------------------------------------------------------


class _Received(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def sentry() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Received) as server:
        server.bodies = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(code: str, repository: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tradeul_ops.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_error_reaches_a_sentry_server_and_nothing_secret_with_it(sentry: HTTPServer, repository: Path) -> None:
    code = """
import django; django.setup()
from django.test import Client
from django.urls import path
import tradeul_ops.urls, sentry_sdk
def fails(request):
    password = "s3cr3t-local"
    raise RuntimeError("the page failed")
tradeul_ops.urls.urlpatterns.append(path("fails", fails))
client = Client(raise_request_exception=False)
client.cookies["sessionid"] = "s3cr3t-cookie"
headers = {"X-Request-ID": "told-to-sentry", "Authorization": "Bearer s3cr3t-token", "Host": "localhost"}
for ask in (client.post, client.get):
    assert ask("/fails?q=s3cr3t-query", {"password": "s3cr3t-body"}, headers=headers).status_code == 500
sentry_sdk.flush(5)
"""
    dsn = f"http://key@127.0.0.1:{sentry.server_port}/1"
    done = run(code, repository, SENTRY_DSN=dsn, SECRET_KEY="s3cr3t-key" * 6, HTTPS="false")
    assert done.returncode == 0, done.stderr[-2000:]
    told = b"\n".join(sentry.bodies)  # type: ignore[attr-defined]
    assert b"the page failed" in told and b"told-to-sentry" in told
    assert b"s3cr3t" not in told


def test_without_a_dsn_nothing_of_it_is_imported(repository: Path) -> None:
    done = run("import django, sys; django.setup(); print('sentry_sdk' in sys.modules)", repository, SENTRY_DSN="")
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "that is no address as"),
        ("sys.modules['sentry_sdk'] = None; ", "the package sentry-sdk is not installed"),
    ],
)
def test_a_dsn_that_can_not_be_used_ends_the_start(repository: Path, code: str, reason: str) -> None:
    code = f"import sys; {code}sys.argv = ['manage.py', 'check']; import manage; manage.main()"
    done = run(code, repository, SENTRY_DSN="s3cr3t")
    assert done.returncode == 1
    assert done.stderr.startswith(f"tradeul_ops: SENTRY_DSN: {reason}") and "s3cr3t" not in done.stderr
