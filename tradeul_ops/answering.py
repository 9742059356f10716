"""Connections that know of one another which server does not answer. Waits for none twice.

A server that hangs (stopped, swapping, behind a dead link) costs each call its whole time-out: a page makes several,
and all threads of a web process would wait for the same silence. So whoever timed out says so, calls to that server
then fail at once, and every two seconds one of them tries it. A server that refuses is no concern of this: that is
known at once.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import redis
from redis.connection import Connection, SSLConnection

TRY_AGAIN_SECONDS = 2.0


class _Server:
    """`_closed_until`: by the monotonic clock, 0 while it answers; not for the thread that tries it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._closed_until = 0.0
        self._tried_by = 0
        self._why = ""

    def check(self, patience: float) -> None:
        """Raises redis.TimeoutError while it hangs; for one thread every few seconds, which then tries it, it returns.

        `patience`: seconds which that one may take, and for which the others do not join it.
        """
        if not self._closed_until:
            return
        with self._guard:
            now, caller = time.monotonic(), threading.get_ident()
            if now >= self._closed_until:
                self._closed_until, self._tried_by = now + patience, caller
            elif caller != self._tried_by:
                raise redis.TimeoutError(f"{self._why}, a moment ago")

    def hangs(self, error: Exception) -> None:
        with self._guard:
            self._closed_until, self._tried_by = time.monotonic() + TRY_AGAIN_SECONDS, 0
            self._why = str(error)

    def answers(self) -> None:
        if self._closed_until:
            with self._guard:
                self._closed_until = 0.0


_servers: dict[tuple[str, int], _Server] = {}


class _Answering:
    """Of a connection of redis-py. A pool calls `connect` before it hands a connection out, also one that stands."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        here: Any = self
        self._server = _servers.setdefault((here.host, here.port), _Server())
        self._patience = (here.socket_connect_timeout or 0.0) + (here.socket_timeout or 0.0)

    def connect(self) -> None:
        base: Any = super()
        self._server.check(self._patience)
        try:
            base.connect()
        except redis.TimeoutError as error:
            self._server.hangs(error)
            raise

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        base: Any = super()
        try:
            answer = base.read_response(*args, **kwargs)
        except redis.TimeoutError as error:
            self._server.hangs(error)
            raise
        self._server.answers()
        return answer


class AnsweringConnection(_Answering, Connection):
    pass


class AnsweringSSLConnection(_Answering, SSLConnection):
    pass
