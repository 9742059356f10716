"""Puts TLS in front of a server that has none, with a certificate of an authority made on the spot."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

HOST = "127.0.0.1"


class TlsFront:
    """Answers on `port` by TLS alone and passes on to `target`. `authority` is the file that clients are to trust."""

    def __init__(self, target: int, directory: Path, *, host: str = HOST) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        own = trustme.CA()
        self.authority = directory / "authority.pem"
        own.cert_pem.write_to_path(self.authority)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.issue_cert(host).configure_cert(self._context)
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            near = self._context.wrap_socket(plain, server_side=True)
        except OSError:  # no TLS, or a certificate that the client does not trust
            plain.close()
            return
        far = socket.create_connection((HOST, self._target))
        self._open += [near, far]
        threading.Thread(target=_pass, args=(far, near), daemon=True).start()
        _pass(near, far)


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while said := source.recv(65536):
            sink.sendall(said)
    for side in (source, sink):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
