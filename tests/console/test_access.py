"""Who may read the JSON endpoints: a session, the token, and nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from tradeul_ops.access import login_or_token

TOKEN = "a-token-of-the-tests"


@login_or_token
def view(request: HttpRequest, word: str) -> HttpResponse:
    return HttpResponse(word)


def ask(user: Any = None, **headers: str) -> HttpResponse:
    request = RequestFactory().get("/", headers=headers)
    request.user = user or AnonymousUser()
    return view(request, "in")


@pytest.fixture(autouse=True)
def token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


def test_a_session_comes_in() -> None:
    assert ask(User(username="ana")).content == b"in"


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}"])
def test_the_token_comes_in(header: str) -> None:
    response = ask(authorization=header)
    assert response.content == b"in"
    assert response["Vary"] == "Authorization, Cookie"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ñ"])
def test_everybody_else_gets_401_in_json(header: str) -> None:
    response = ask(authorization=header)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
    assert "a token of this installation" in json.loads(response.content)["error"]


@pytest.mark.parametrize("header", ["Bearer ", "Bearer", ""])
def test_without_a_token_in_the_settings_no_header_comes_in(settings: Any, header: str) -> None:
    settings.METRICS_TOKEN = ""
    assert ask(authorization=header).status_code == 401
