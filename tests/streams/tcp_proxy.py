"""A TCP proxy whose connections can be made to hang, open while nothing passes, or cut in an answer's middle.

Knows no protocol.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"


@dataclass
class _Cut:
    """Of what follows the `number`-th request with `word` in it so many bytes pass, and then the connection ends."""

    word: bytes
    number: int
    passes: int


class Proxy:
    """Forwards `port` to `target`. `hang()`: connections that exist pass nothing any more, new ones work."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._hung = threading.Event()  # of the connections that exist; a new one gets the next
        self._cut: _Cut | None = None
        self._ended = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def hang(self) -> None:
        hung, self._hung = self._hung, threading.Event()
        hung.set()

    def cut_answer(self, to: bytes, *, number: int = 1, after: int) -> None:
        """Once: the answer to the `number`-th request that has `to` in it breaks off after that many bytes."""
        self._cut = _Cut(to, number, after)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._listener.close()
        for pair in self._pairs:
            for side in pair:
                side.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            if select.select([self._listener], [], [], 0.05)[0]:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection((HOST, self._target))
                except OSError:
                    near.close()
                    continue
                for side in (near, far):
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pairs.append((near, far))
                threading.Thread(target=self._forward, args=(near, far, self._hung), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket, hung: threading.Event) -> None:
        other = {near: far, far: near}
        cut: _Cut | None = None  # of this connection's next answer
        with contextlib.suppress(OSError, ValueError):  # one side is gone, or the proxy
            while not self._ended.is_set():
                for side in select.select([near, far], [], [], 0.05)[0]:
                    if hung.is_set():
                        return  # both stay open
                    if not (said := side.recv(65536)):
                        near.close()
                        far.close()
                        return
                    if side is near and (wanted := self._cut) and wanted.word in said:
                        wanted.number -= 1
                        if wanted.number == 0:
                            cut, self._cut = wanted, None
                    if side is far and cut is not None:
                        far.close()  # first: who sees the end of the answer must not find the server at work on it
                        near.sendall(said[: cut.passes])
                        near.close()
                        return
                    other[side].sendall(said)
