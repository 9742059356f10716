"""Threads that wait for the same work share it; none of them gets what was begun before it asked."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from streams.models import StreamLimit
from streams.services import publish_limits
from tradeul_ops.console import drawing, views
from tradeul_ops.readings import recording
from tradeul_ops.turns import Turns

A_WHILE = timedelta(seconds=30)
POLL = {"HX-Request": "true", "HX-Trigger": "live"}


class Work:
    """Ends when it may, and counts how often it began."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.may_end = threading.Event()

    def __call__(self) -> int:
        number = len(self.begun) + 1
        self.begun.append(number)
        assert self.may_end.wait(10)
        return number


def waiting(turns: Turns) -> int:
    return sum(turn.waiting for turn in turns._turns.values())


def test_all_who_ask_meanwhile_share_the_next_turn_and_nobody_the_one_before(wait_until: Callable[..., None]) -> None:
    turns, work = Turns(), Work()
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(turns.share, "a", work)
        wait_until(lambda: work.begun == [1], "the first works")
        others = [pool.submit(turns.share, "a", work) for _ in range(5)]
        wait_until(lambda: waiting(turns) == 6, "the others wait")
        work.may_end.set()
        assert first.result() == 1
        assert [one.result() for one in others] == [2] * 5
    assert work.begun == [1, 2]
    turns.share("b", lambda: 3)
    assert list(turns._turns) == ["b"], "nobody waits for the other, and it is not kept"


def test_a_second_old_answer_does_for_who_says_so() -> None:
    turns = Turns()
    assert turns.share("a", lambda: 1, within=60.0) == 1
    assert turns.share("a", lambda: 2, within=60.0) == 1
    assert turns.share("a", lambda: 3) == 3
    assert turns.share("a", lambda: 4, within=60.0) == 3


def test_another_key_waits_for_nobody(wait_until: Callable[..., None]) -> None:
    turns, work = Turns(), Work()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(turns.share, "a", work)
        wait_until(lambda: work.begun == [1], "the first works")
        assert turns.share("b", lambda: 42) == 42
        work.may_end.set()
        assert first.result() == 1


def test_an_error_is_shared_as_an_answer_is_and_who_asks_later_tries_again(wait_until: Callable[..., None]) -> None:
    turns, work = Turns(), Work()

    def fails_twice() -> int:
        if (number := work()) < 3:
            raise KeyError(f"turn {number}")
        return number

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(turns.share, "a", fails_twice, within=60.0)
        wait_until(lambda: work.begun == [1], "the first works")
        others = [pool.submit(turns.share, "a", fails_twice, within=60.0) for _ in range(3)]
        wait_until(lambda: waiting(turns) == 4, "the others wait")
        work.may_end.set()
        assert str(first.exception()) == "'turn 1'"
        assert [str(one.exception()) for one in others] == ["'turn 2'"] * 3
    assert turns.share("a", fails_twice, within=60.0) == 3, "an error is not kept"


def test_who_records_works_alone(wait_until: Callable[..., None]) -> None:
    turns, work = Turns(), Work()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(turns.share, "a", work)
        wait_until(lambda: work.begun == [1], "the first works")
        with recording():
            assert turns.share("a", lambda: 42) == 42
        work.may_end.set()
        assert first.result() == 1


@pytest.mark.parametrize("address", ["/", "/findings/"])
def test_a_drawing_is_shared_by_those_who_may_the_same_and_holds_nothing_of_one_of_them(
    address: str, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = []
    share = drawing._turns.share
    monkeypatch.setattr(drawing._turns, "share", lambda key, work, within: keys.append(key) or share(key, work))
    users = get_user_model().objects
    people = {name: users.create_superuser(name) for name in ("who-ana", "who-bob")}
    people |= {name: users.create_user(name) for name in ("who-eva", "who-ada")}
    people["who-eva"].user_permissions.add(Permission.objects.get(codename="change_streamlimit"))
    drawn = {}
    for name, user in people.items():
        client = Client()
        client.force_login(user)
        answer = client.get(address, headers=POLL)
        assert answer.status_code == 200
        drawn[name] = answer.content.decode()
        assert "csrfmiddlewaretoken" not in drawn[name]
        assert name not in drawn[name]
    ana, bob, eva, ada = keys
    assert ana == bob
    assert len({ana, eva, ada}) == 3
    client.cookies["zone"] = "America/New_York"
    client.get(f"{address}?a=1", headers=POLL)
    assert keys[-1] != ada
    client.get(address)
    client.get(address, headers={"HX-Request": "true"})
    assert len(keys) == 5, "who asks by hand is answered alone"
    assert Client().get(address, headers=POLL).status_code == 302


@pytest.mark.parametrize("address", ["/", "/streams/"])
def test_a_poll_is_told_what_another_was_a_second_ago_and_never_the_limit_before_an_edit(
    address: str, client: Client, redis_url: str, transactional_db: None, settings: Any
) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = redis_url
    redis.Redis.from_url(redis_url).xadd("snapshots:raw", {"data": "x"})
    client.force_login(get_user_model().objects.create_superuser("who-ana"))
    bounds = {"maxlen": 1000, "trim_threshold": 1200, "hard_maxlen": 3000, "trim_interval": A_WHILE}
    raw, _ = StreamLimit.objects.update_or_create(pattern="snapshots:raw", defaults=bounds)
    publish_limits()

    def polled() -> str:
        answer = client.get(address, headers=POLL)
        assert answer.status_code == 200
        return answer.content.decode()

    assert "98,765" not in polled()
    for edited in (98_765, 87_654):
        StreamLimit.objects.filter(pk=raw.pk).update(maxlen=edited, trim_threshold=99_999, hard_maxlen=300_000)
        publish_limits()
        assert f"{edited:,}" in polled()
        assert f"{edited:,}" in polled()


def test_polls_within_a_second_are_drawn_once(
    client: Client, redis_url: str, transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = redis_url
    client.force_login(get_user_model().objects.create_superuser("who-ana"))
    publish_limits()
    monkeypatch.setattr(drawing, "KEPT", 60.0)
    drawn = []
    read = views.read_overview
    monkeypatch.setattr(views, "read_overview", lambda **asked: drawn.append(asked) or read(**asked))
    answers = {client.get("/?crowd", headers=POLL).content for _ in range(3)}
    assert (len(answers), len(drawn)) == (1, 1)
    client.get("/?crowd", headers={"HX-Request": "true"})
    assert len(drawn) == 2
