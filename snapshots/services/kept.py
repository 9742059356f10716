"""Makes each value once, however many threads ask for it at a time, and keeps the newest, within a bound of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

Value = TypeVar("Value")


class Kept:
    """`size_of` says what a value weighs. One that is heavier than the bound is made, handed out and not kept."""

    def __init__(self, *, max_bytes: int, size_of: Callable[[Any], int] = len) -> None:
        self._max_bytes, self._size_of = max_bytes, size_of
        self._bytes = 0
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._under_way: dict[Hashable, Future[Any]] = {}
        self._guard = threading.Lock()

    def find(self, key: Hashable) -> Any | None:
        with self._guard:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        size = self._size_of(value)
        with self._guard:
            if key in self._values:
                self._bytes -= self._size_of(self._values.pop(key))
            if size > self._max_bytes:
                return
            self._values[key] = value
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._size_of(self._values.popitem(last=False)[1])

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What `make` gives. Who asks meanwhile waits for it; an error is for all who wait, and not kept."""
        with self._guard:
            if key in self._values:
                self._values.move_to_end(key)
                found: Value = self._values[key]
                return found
            future: Future[Value] | None = self._under_way.get(key)
            mine = future is None
            if future is None:
                future = self._under_way[key] = Future()
        if not mine:
            return future.result()
        try:
            value = make()
        except BaseException as error:
            self._drop(key)
            future.set_exception(error)
            raise
        self.put(key, value)
        self._drop(key)
        future.set_result(value)
        return value

    def _drop(self, key: Hashable) -> None:
        with self._guard:
            self._under_way.pop(key, None)
