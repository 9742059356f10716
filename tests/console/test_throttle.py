"""Guessing passwords: ten tries, then ten minutes of nothing; what is kept of it stays small; the cookies are hard."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.conf import settings as in_force
from django.contrib.auth import get_user_model
from django.test import Client, RequestFactory
from django.utils import timezone

from tradeul_ops.console import throttle

RIGHT = {"username": "ana", "password": "right and long"}
WRONG = {"username": "ana", "password": "wrong"}


@pytest.fixture
def ana(db: None) -> None:
    get_user_model().objects.create_superuser("ana", password=RIGHT["password"])


def _fail(client: Client, times: int, door: str = "/login/", **meta: str) -> list[int]:
    return [client.post(door, WRONG, **meta).status_code for _ in range(times)]


@pytest.mark.parametrize("door", ["/login/", "/admin/login/"])
def test_after_ten_wrong_passwords_the_right_one_has_to_wait(client: Client, ana: None, door: str) -> None:
    assert _fail(client, 10, door) == [200] * 9 + [429]
    refused = client.post(door, RIGHT)
    assert refused.status_code == 429
    assert "Wait 10 m" in refused.content.decode()
    assert "sessionid" not in client.cookies
    AccessAttempt.objects.update(attempt_time=timezone.now() - in_force.AXES_COOLOFF_TIME - timedelta(seconds=1))
    assert client.post(door, RIGHT).status_code == 302


def test_trying_on_while_locked_out_does_not_prolong_it(client: Client, ana: None) -> None:
    _fail(client, 10)
    at = AccessAttempt.objects.get().attempt_time
    _fail(client, 3)
    assert AccessAttempt.objects.get().attempt_time == at


def test_a_stranger_locks_out_nobody_else(client: Client, ana: None) -> None:
    _fail(client, 10, REMOTE_ADDR="203.0.113.9")
    assert client.post("/login/", RIGHT, REMOTE_ADDR="198.51.100.1").status_code == 302


def test_a_login_forgives_the_failures_before(client: Client, ana: None) -> None:
    _fail(client, 9)
    assert client.post("/login/", RIGHT).status_code == 302
    assert not AccessAttempt.objects.exists()
    assert not AccessLog.objects.exists()


def test_nothing_of_what_was_sent_is_kept(client: Client, ana: None) -> None:
    client.post("/login/?next=/" + "y" * 3000, {**WRONG, "more": "z" * 100_000}, headers={"user-agent": "u" * 5000})
    kept = AccessAttempt.objects.get()
    assert (kept.get_data, kept.post_data) == ("", "")
    assert len(kept.user_agent) <= 255


def test_the_rows_are_pruned_to_a_number(db: None) -> None:
    for number in range(7):
        AccessAttempt.objects.create(username=str(number), failures_since_start=1)
    assert throttle.prune(keep=3) == 4
    assert sorted(AccessAttempt.objects.values_list("username", flat=True)) == ["4", "5", "6"]
    assert throttle.prune(keep=3) == 0


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        (2, "1.1.1.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (2, "203.0.113.9", "10.0.0.1"),
        (1, "unknown", None),
    ],
)
def test_a_client_can_not_choose_its_address(settings, proxies: int, forwarded: str, address: str | None) -> None:
    settings.PROXIES = proxies
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="10.0.0.1")
    assert throttle.client_address(request) == address


def test_the_cookies_are_for_this_site_and_no_script(client: Client, ana: None, settings) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client.get("/login/")
    answer = client.post("/login/", RIGHT, secure=True)
    for name in ("sessionid", "csrftoken"):
        cookie = answer.cookies[name]
        assert cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Lax"
    assert 12 * 3600 - 60 < int(answer.cookies["sessionid"]["max-age"]) <= 12 * 3600


def test_with_https_cookies_are_secure_without_being_asked(repository) -> None:
    """Read from the settings file itself, as production has it."""
    import os
    import subprocess
    import sys

    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tradeul_ops import settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, "
            "s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME)",
        ],
        cwd=repository,
        env={**os.environ, "HTTPS": "true", "SECRET_KEY": "x" * 60},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["True", "True", "__Host-sessionid", "__Host-csrftoken"]


def test_a_cookie_of_this_host_alone_has_what_its_name_promises(client: Client, ana: None, settings) -> None:
    """A browser drops a `__Host-` cookie that has a domain, another path than /, or is not Secure."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = names = "__Host-sessionid", "__Host-csrftoken"
    client.get("/login/", secure=True)
    answer = client.post("/login/", RIGHT, secure=True)
    for name in names:
        cookie = answer.cookies[name]
        assert cookie["secure"] and cookie["path"] == "/" and not cookie["domain"]
    assert client.get("/login/", secure=True).headers["Location"] == "/", "the session is known by its new name"
