"""Tokens for machines: kept as hashes, several at once, replaced one after the other, for reading and nothing else."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client

from tests.console.addresses import every_address
from tradeul_ops import env
from tradeul_ops.access import hash_of

OPEN_TO_TOKENS = ("/metrics", "/api/v1/internal/memory-metrics", "/snapshot/head/latest")


def new(name: str) -> tuple[str, str]:
    """A token and its entry for TOKENS, as the command prints them."""
    said = io.StringIO()
    call_command("token", "new", name, stdout=said)
    found = re.search(r"this once: +(\S+)\nentry for TOKENS: +(\S+)\n", said.getvalue())
    assert found is not None
    return found[1], found[2]


def ask(token: str, address: str = "/metrics", method: str = "get") -> int:
    return int(getattr(Client(), method)(address, headers={"authorization": f"Bearer {token}"}).status_code)


@pytest.fixture
def tokens(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(*entries: str) -> None:
        monkeypatch.setenv("TOKENS", ",".join(entries))
        settings.TOKENS = env.hashes("TOKENS")

    return put


def test_a_new_token_comes_in_by_its_hash_and_the_hash_does_not(tokens: Any, db: None, redis: object) -> None:
    token, entry = new("prometheus")
    tokens(entry)
    assert len(token) >= 43 and token not in entry
    assert [ask(token, address) for address in OPEN_TO_TOKENS[:2]] == [200, 200]
    assert ask(token, OPEN_TO_TOKENS[2]) == 404  # let in, and nothing is published
    assert ask(entry.partition(":")[2]) == 401
    assert ask(token + "x") == 401


def test_a_token_is_replaced_without_a_gap(tokens: Any, db: None, redis: object) -> None:
    (old, old_entry), (fresh, fresh_entry) = new("prometheus"), new("prometheus-2")
    tokens(old_entry)
    assert (ask(old), ask(fresh)) == (200, 401)
    tokens(old_entry, fresh_entry)
    assert (ask(old), ask(fresh)) == (200, 200)
    tokens(fresh_entry)
    assert (ask(old), ask(fresh)) == (401, 200)


def test_the_plain_token_can_become_a_hash(
    tokens: Any, settings: Any, db: None, redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = "plain and old"
    assert ask("plain and old") == 200
    said = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO("plain and old\n"))
    call_command("token", "hash", "guide", stdout=said)
    settings.METRICS_TOKEN = ""
    tokens(said.getvalue().strip())
    assert ask("plain and old") == 200


def test_a_token_opens_no_page_and_changes_nothing(tokens: Any, db: None, redis: object) -> None:
    token, entry = new("prometheus")
    tokens(entry)
    for address, name in every_address():
        if address in OPEN_TO_TOKENS or address.startswith(("/snapshot/", "/admin/")):
            continue
        stranger, machine = Client().get(address), Client().get(address, headers={"authorization": f"Bearer {token}"})
        assert (machine.status_code, machine.content) == (stranger.status_code, stranger.content) or name in {
            "login",  # another CSRF token each time
            "ready",
        }, address
    for address in OPEN_TO_TOKENS:
        for method in ("post", "put", "patch", "delete"):
            assert ask(token, address, method) in {401, 405}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("s3cr3t-token", "entry 1 is no name:hash"),
        (f"a:{hash_of('x')},b:{hash_of('x')[:-1]}", "entry 2 is no name:hash"),
        (f"a b:{hash_of('x')}", "entry 1 is no name:hash"),
        (f"a:{hash_of('x')},a:{hash_of('y')}", "a is there twice"),
    ],
)
def test_what_is_no_hash_ends_the_start_unrepeated(monkeypatch: pytest.MonkeyPatch, value: str, reason: str) -> None:
    monkeypatch.setenv("TOKENS", value)
    with pytest.raises(ImproperlyConfigured, match=rf"^TOKENS: {reason}") as caught:
        env.hashes("TOKENS")
    assert "s3cr3t" not in str(caught.value) and hash_of("x")[:20] not in str(caught.value)


@pytest.mark.parametrize("words", [("new", "a b"), ("new", "a:b"), ("new", "")])
def test_a_token_needs_a_name_that_can_stand_in_the_list(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="is no name"):
        call_command("token", *words)


def test_a_session_needs_no_token(client: Client, db: None, redis: object) -> None:
    client.force_login(get_user_model().objects.create_user("luis"))
    assert client.get("/metrics").status_code == 200
