"""Every test begins as a worker that was just started: nothing published is remembered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from snapshots import services


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    services.forget()
    yield
    services.forget()
