"""Threads that wait for the same work share it; none of them gets what was begun before it asked."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from tradeul_ops.console import polls
from tradeul_ops.readings import recording
from tradeul_ops.turns import Turns

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
    assert turns._turns == {}, "nobody waits, and nothing is kept"


def test_another_key_waits_for_nobody(wait_until: Callable[..., None]) -> None:
    turns, work = Turns(), Work()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(turns.share, "a", work)
        wait_until(lambda: work.begun == [1], "the first works")
        assert turns.share("b", lambda: 42) == 42
        work.may_end.set()
        assert first.result() == 1


def test_an_error_is_told_to_who_worked_and_the_next_tries(wait_until: Callable[..., None]) -> None:
    turns, work = Turns(), Work()

    def fails_once() -> int:
        if work() == 1:
            raise KeyError("once")
        return 2

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(turns.share, "a", fails_once)
        wait_until(lambda: work.begun == [1], "the first works")
        second = pool.submit(turns.share, "a", fails_once)
        wait_until(lambda: waiting(turns) == 2, "the second waits")
        work.may_end.set()
        with pytest.raises(KeyError):
            first.result()
        assert second.result() == 2


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
    share = polls._turns.share
    monkeypatch.setattr(polls._turns, "share", lambda key, work: keys.append(key) or share(key, work))
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
