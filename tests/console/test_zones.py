"""The zone a person reads in: kept in a cookie, told with its offset, followed by every time of day on a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import redis as redis_library
from django.contrib.auth import get_user_model
from django.template import Context, Template
from django.test import Client
from django.utils import timezone

from streams.models import TrimRun
from tradeul_ops import charts
from tradeul_ops.console import zones

WINTER = datetime(2026, 1, 7, 17, 0, 5, tzinfo=UTC)
SUMMER = datetime(2026, 7, 7, 17, 0, 5, tzinfo=UTC)


@pytest.fixture
def luis(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_user("luis"))
    return client


@pytest.mark.parametrize(
    ("name", "at", "shown"),
    [
        ("UTC", WINTER, "17:00:05 UTC"),
        ("America/New_York", WINTER, "12:00:05 UTC−5"),
        ("America/New_York", SUMMER, "13:00:05 UTC−4"),
        ("Asia/Kolkata", WINTER, "22:30:05 UTC+5:30"),
        ("Europe/London", WINTER, "17:00:05 UTC"),
    ],
)
def test_a_clock_shows_the_zones_time_with_the_offset_of_that_moment(name: str, at: datetime, shown: str) -> None:
    template = Template("{% load figures %}{{ at|clock }} {{ at|zone }}")
    with timezone.override(zones.read_zone(name)):
        assert template.render(Context({"at": at})) == shown


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "x" * 4000, "\0"])
def test_a_cookie_that_names_no_zone_is_utc(luis: Client, redis: redis_library.Redis, name: str) -> None:
    luis.cookies[zones.COOKIE] = name
    answer = luis.get("/streams/")
    assert answer.status_code == 200
    assert answer.context["zone_name"] == "UTC"


def test_a_choice_is_kept_and_followed_by_every_page(luis: Client, redis: redis_library.Redis) -> None:
    TrimRun.objects.create(stream="snapshots:raw", started_at=WINTER, finished_at=WINTER, outcome="done")
    assert "17:00:05" in luis.get("/streams/of/snapshots:raw", follow=True).content.decode()
    answer = luis.get("/zone", {"zone": "America/New_York", "next": "/streams/?q=raw"})
    assert (answer.status_code, answer.url) == (302, "/streams/?q=raw")
    cookie = answer.cookies[zones.COOKIE]
    assert (cookie.value, cookie["samesite"], cookie["httponly"]) == ("America/New_York", "Lax", True)
    text = luis.get("/streams/of/snapshots:raw", follow=True).content.decode()
    assert "12:00:05" in text and "17:00:05" not in text
    assert '<option value="America/New_York" selected>New York · UTC−' in text


def test_the_next_request_of_the_thread_is_in_utc_again(luis: Client, redis: redis_library.Redis) -> None:
    luis.cookies[zones.COOKIE] = "America/New_York"
    luis.get("/streams/")
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "", "javascript:alert(1)"])
def test_it_goes_back_to_no_other_site(luis: Client, back: str) -> None:
    assert luis.get("/zone", {"zone": "UTC", "next": back}).url == "/"


def test_an_unknown_zone_is_not_kept(luis: Client) -> None:
    assert zones.COOKIE not in luis.get("/zone", {"zone": "Mars/Olympus"}).cookies


def test_a_choice_can_be_made_while_the_console_is_read_only(luis: Client, settings) -> None:
    settings.READ_ONLY = True
    assert luis.get("/zone", {"zone": "America/New_York"}).cookies[zones.COOKIE].value == "America/New_York"


def test_a_charts_times_are_the_zones_also_where_its_clock_jumps() -> None:
    """New York left winter time on 8 March 2026: that day has 23 hours, and noon comes 11 hours after midnight."""
    zone = ZoneInfo("America/New_York")
    midnight = datetime(2026, 3, 8, tzinfo=zone).astimezone(UTC)
    drawn = charts.chart([], since=midnight - timedelta(hours=1), until=midnight + timedelta(hours=24), zone=zone)
    at = {tick.text: tick.place for tick in drawn.times}
    assert "Sun 8" in at and "12:00" in at and "06:00" in at
    before, after = at["06:00"] - at["Sun 8"], at["12:00"] - at["06:00"]
    assert before / after == pytest.approx(5 / 6, abs=0.01)
