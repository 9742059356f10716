"""Pictures of the pages: one a page, a scheme and a width; a refused login is said."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import redis as redis_library
from django.core.management import CommandError, call_command

from tests.streams.factories import fill, make_row
from tradeul_ops.demo import camera

pytestmark = pytest.mark.browser


@pytest.fixture
def console(chromium, live_server, redis: redis_library.Redis, transactional_db: None, django_user_model) -> str:
    """The address of one with a stream in it. Asks for Chromium first: without one the test is skipped."""
    django_user_model.objects.create_superuser("ana", password="a long one for pictures")
    make_row("snapshots:shown", 1000)
    fill(redis, "snapshots:shown", 900)
    return str(live_server.url)


def _width(path: Path) -> int:
    """A PNG says it in its header."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int(struct.unpack(">I", head[16:20])[0])


def test_each_page_is_taken_light_and_dark_wide_and_narrow(
    console: str, chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "PAGES", {"overview": "/"})
    monkeypatch.setattr(camera, "DETAILS", {"stream": camera.DETAILS["stream"]})
    taken = list(camera.photograph(chromium, tmp_path, url=console, user="ana", password="a long one for pictures"))
    assert {path.name: _width(path) for path in taken} == {
        f"{name}-{scheme}-{width}.png": width
        for name in ("overview", "stream")
        for scheme in ("light", "dark")
        for width in (1440, 390)
    }
    pictures = {path.name: path.read_bytes() for path in taken}
    assert pictures["overview-light-1440.png"] != pictures["overview-dark-1440.png"]


def test_a_login_that_is_refused_is_said(console: str, chromium, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the login of ana was refused"):
        list(camera.photograph(chromium, tmp_path, url=console, user="ana", password="wrong"))
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_the_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="no chromium"):
        call_command("screenshots", str(tmp_path / "shots"), url="http://127.0.0.1:1")
