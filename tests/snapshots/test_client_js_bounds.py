"""The browser's reader takes no more memory than a document may, and a chain too long for one answer in several."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import redis as redis_library

from snapshots.services import serving
from tests.snapshots.factories import make_policy
from tests.snapshots.test_client_js import TOKEN, following, publish
from tests.snapshots.test_client_js import pytestmark as needs_node

pytestmark = needs_node
MB = 2**20


@contextmanager
def answering(body: bytes, *, gzipped: bool) -> Iterator[str]:
    """A server that answers whatever it is asked with `body`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if gzipped:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # the reader had enough
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


BOMBS: dict[str, Callable[[], bytes]] = {
    "1 GiB of spaces": lambda: b"".join(gzip.compress(b" " * MB, 1) * 64 for _ in range(16)),
    "60 MiB of empty lists": lambda: gzip.compress(b'{"symbols":[' + b"[]," * (20 * MB) + b"[]]}", 1),
    "60 MiB of small objects": lambda: gzip.compress(b'{"symbols":[' + b'{"":0},' * (60 * MB // 7) + b"[]]}", 1),
    "60 MiB of numbers": lambda: gzip.compress(b'{"symbols":[' + b"300," * (15 * MB) + b"0]}", 1),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_is_parsed(name: str) -> None:
    """By a reader that would run out of memory: Node ends a process that needs more than it may have."""
    with answering(BOMBS[name](), gzipped=True) as url, following(url, "--max-old-space-size=180") as refresh:
        said, *rest = refresh()
    assert said.startswith("Error: ") and "/snapshot/full/latest?list=test: " in said, said
    sizes = ("more than 67,109,888 bytes", "bytes that would take more than 536,870,912 parsed")
    assert said.endswith(sizes) and rest[0] is None


def test_a_text_of_the_size_that_a_document_may_have_is_parsed() -> None:
    text = b'{"v":2,"kind":"full"' + b" " * (64 * MB - 21) + b"}"
    with answering(text, gzipped=False) as url, following(url) as refresh:
        assert refresh()[0] == "Error: version 2; this reader knows 1"


@pytest.mark.django_db(transaction=True)
def test_a_chain_too_long_for_one_answer_comes_in_several(
    live_server: Any, redis: redis_library.Redis, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = TOKEN
    make_policy()
    monkeypatch.setattr(serving, "ANSWER_BYTES", 1)
    for number in range(5):
        records = publish(redis, number, 5 * number)
    with following(live_server.url) as refresh:
        assert refresh() == [True, 5, records, 1, 4]
        for number in range(5, 8):
            records = publish(redis, number, 5 * number)
        assert refresh() == [True, 8, records, 1, 7]
