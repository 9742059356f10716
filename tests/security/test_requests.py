"""What every answer and every change must hold to, whatever page it is: headers, CSRF, sessions, hosts, redirects."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings as in_force
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.console.addresses import every_address
from tradeul_ops.console import pages

PASSWORD = "right and long"
HTTP_ONLY = ("/healthz", "/readyz", "/metrics", "/health/live", "/health/ready")  # asked beside the container


@pytest.fixture
def ana(db: None) -> Any:
    return get_user_model().objects.create_superuser("ana", password=PASSWORD)


def addresses() -> list[str]:
    found = [address for address, _ in every_address()]
    assert len(found) > 60
    return found


def inside(who: Any, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(who)
    return client


# --- changes come from our own pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_address_takes_a_change_without_the_csrf_token(ana: Any, redis: object, method: str) -> None:
    client = inside(ana, enforce_csrf_checks=True)
    let_through = {
        address: status
        for address in addresses()
        if (status := getattr(client, method)(address).status_code) not in {403, 405}
        and not address.startswith(("/logout/", "/admin/logout/"))
    }
    assert let_through == {}
    client = inside(ana, enforce_csrf_checks=True)
    assert client.post("/logout/").status_code == 403
    assert client.post("/login/", {"username": "ana", "password": PASSWORD}).status_code == 403


def test_a_token_of_another_origin_is_refused_too(ana: Any, redis: object) -> None:
    client = inside(ana, enforce_csrf_checks=True)
    page = client.get("/streams/limits/new", secure=True).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    body = {"csrfmiddlewaretoken": token[1]}
    own = {"Origin": "https://testserver"}
    assert client.post("/streams/limits/new", body, secure=True, headers=own).status_code == 422
    for foreign in ({"Origin": "https://evil.example"}, {"Referer": "https://evil.example/"}, {"Origin": "null"}, {}):
        assert client.post("/streams/limits/new", body, secure=True, headers=foreign).status_code == 403


def test_nothing_changes_by_a_get(ana: Any, redis: Any) -> None:
    """Every address, asked as a link would."""
    client = inside(ana)
    client.get("/")
    for address in addresses():
        if address.startswith(("/logout/", "/admin/logout/")):
            continue
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        wrote = [one["sql"] for one in queries if re.match(r"(INSERT|UPDATE|DELETE|DROP|ALTER|CREATE)\b", one["sql"])]
        assert wrote == [], address


# --- sessions --------------------------------------------------------------------------------------------------------


def test_a_session_that_was_planted_before_the_login_is_not_the_one_after(ana: Any) -> None:
    client = Client()
    client.cookies[in_force.SESSION_COOKIE_NAME] = planted = "a" * 32
    assert client.post("/login/", {"username": "ana", "password": PASSWORD}).status_code == 302
    assert client.cookies[in_force.SESSION_COOKIE_NAME].value != planted
    other = Client()
    other.cookies[in_force.SESSION_COOKIE_NAME] = planted
    assert other.get("/").status_code == 302


def test_a_login_changes_the_key_of_a_session_and_of_the_csrf_token(ana: Any) -> None:
    client = Client()
    session = client.session
    session["something"] = 1
    session.save()
    before, _ = session.session_key, client.get("/login/")
    token = client.cookies["csrftoken"].value
    client.post("/login/", {"username": "ana", "password": PASSWORD})
    assert client.session.session_key != before
    assert client.cookies["csrftoken"].value != token
    assert not Session.objects.filter(session_key=before).exists()


def test_after_the_logout_the_old_cookie_opens_nothing(ana: Any, redis: object) -> None:
    client = inside(ana)
    cookie = client.cookies[in_force.SESSION_COOKIE_NAME].value
    assert client.get("/").status_code == 200
    client.post("/logout/")
    thief = Client()
    thief.cookies[in_force.SESSION_COOKIE_NAME] = cookie
    assert thief.get("/").status_code == 302
    assert not Session.objects.filter(session_key=cookie).exists()


def test_a_new_password_ends_the_other_sessions(ana: Any, redis: object) -> None:
    client = inside(ana)
    ana.set_password("another and long")
    ana.save()
    assert client.get("/").status_code == 302


# --- what every answer says -------------------------------------------------------------------------------------------


def test_every_answer_forbids_frames_sniffing_and_foreign_sources(ana: Any, redis: object) -> None:
    client = inside(ana)
    for address in addresses():
        answer = client.get(address)
        if answer.streaming:
            continue
        assert answer["X-Frame-Options"] == "DENY", address
        assert answer["X-Content-Type-Options"] == "nosniff", address
        assert answer["Referrer-Policy"] == "same-origin", address
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", address
        policy = answer["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "default-src 'self'" in policy, address
        assert "unsafe" not in policy and "object-src 'none'" in policy and "base-uri 'none'" in policy, address


def test_plain_http_is_sent_to_https_and_https_stays(ana: Any, redis: object, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    client = inside(ana)
    for address in ("/", "/streams/", "/login/", "/admin/", "/snapshots/"):
        answer = client.get(address)
        assert (answer.status_code, answer["Location"]) == (301, f"https://testserver{address}")
        assert client.get(address, secure=True)["Strict-Transport-Security"].startswith("max-age=31536000; includeSub")
    assert {client.get(address).status_code for address in HTTP_ONLY} == {200}


def test_machines_are_refused_in_plain_http_and_not_redirected(ana: Any, redis: object, settings: Any) -> None:
    """Redirected, a program that was given http:// would go on sending its token in the clear, unnoticed."""
    settings.SECURE_SSL_REDIRECT = True
    client = inside(ana)
    for address in ("/api/v1/internal/memory-metrics", "/snapshot/full/latest", "/snapshot/test/since/1"):
        answer = client.get(address)
        assert answer.status_code == 403 and "Location" not in answer
        assert answer.json()["error"].startswith("Ask by https://.")
        assert client.get(address, secure=True).status_code != 403
    settings.SECURE_SSL_REDIRECT = False
    assert client.get("/api/v1/internal/memory-metrics").status_code != 403


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost:80@evil.example", "", "a b"])
def test_another_host_is_refused(client: Client, db: None, settings: Any, host: str) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    answer = client.get("/login/", headers={"host": host})
    assert answer.status_code == 400
    assert host not in answer.content.decode() or not host


def test_pages_behind_the_login_are_not_kept_by_caches(ana: Any, redis: object) -> None:
    client = inside(ana)
    for address in ("/", "/streams/", "/findings/", "/changes/", "/jobs/", "/hypertables/", "/snapshots/", "/verify/"):
        answer = client.get(address)
        assert "Cookie" in answer["Vary"], address
        assert answer["Cache-Control"] == "private, no-store", address


# --- redirects -------------------------------------------------------------------------------------------------------

FOREIGN = (
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "http:evil.example",
    " https://evil.example",
    "https://testserver@evil.example/",
    "\thttps://evil.example",
)


@pytest.mark.parametrize("next_", FOREIGN)
def test_nothing_redirects_to_another_site(ana: Any, next_: str) -> None:
    client = Client()
    body = {"username": "ana", "password": PASSWORD, "next": next_}
    for door, lands in (("/login/", "/"), ("/admin/login/", "/")):
        assert Client().post(door, body).headers["Location"] == lands
    assert client.get("/zone", {"next": next_, "zone": "UTC"}).headers["Location"] == "/"
    inside_ = inside(ana)
    assert inside_.get("/login/", {"next": next_}).headers["Location"] == "/"


def test_a_redirect_to_a_page_of_ours_is_followed(ana: Any) -> None:
    body = {"username": "ana", "password": PASSWORD, "next": "/streams/?sort=bytes"}
    assert Client().post("/login/", body).headers["Location"] == "/streams/?sort=bytes"


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_failing_page_tells_nothing_of_the_inside(
    ana: Any, redis: object, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        password = "s3cr3t-local"
        raise RuntimeError(f"the inside: {password} {settings.SECRET_KEY}")

    monkeypatch.setattr(pages, "read_producers", fail)
    client = inside(ana)
    client.raise_request_exception = False
    for path, status in (("/producers/", 500), ("/nothing/here", 404), ("/streams/of/%00", 404)):
        answer = client.get(path)
        said = answer.content.decode()
        assert answer.status_code == status
        for word in ("s3cr3t", settings.SECRET_KEY, "Traceback", "RuntimeError", "urlpatterns", "site-packages"):
            assert word not in said, (path, word)


def test_a_refusal_by_permission_is_the_same_for_what_is_there_and_what_is_not(db: None, redis: object) -> None:
    """Who may only look learns nothing from trying."""
    client = inside(get_user_model().objects.create_user("luis"))
    for address in ("/streams/limits/1/delete", "/streams/limits/987654/delete"):
        assert client.post(address).status_code == 403
