"""Lets people with a session and machines with a token read the JSON endpoints. Redirects nobody to a login page."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext

Parameters = ParamSpec("Parameters")
View = Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase]

READING = frozenset({"GET", "HEAD", "OPTIONS"})  # all that a token ever opens
PLAIN = "METRICS_TOKEN"  # what the one token that stands in plain text is called


def login_or_token(view: View[Parameters]) -> View[Parameters]:
    """Asks for a logged-in session or `Authorization: Bearer <token>`; answers 401 in JSON otherwise."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
        if token_of(request) is not None or request.user.is_authenticated:
            response = view(request, *args, **kwargs)
        else:
            sentence = gettext("Log in, or send Authorization: Bearer with a token of this installation.")
            response = JsonResponse({"error": sentence}, status=401)
            response["WWW-Authenticate"] = "Bearer"
        patch_vary_headers(response, ("Authorization", "Cookie"))
        return response

    return guarded


def token_of(request: HttpRequest) -> str | None:
    """The name of the token that the request carries; None where it carries none that holds, or is no reading."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or request.method not in READING:
        return None
    found, hashed = None, hash_of(token.strip())
    for name, known in _known():  # all of them, each in constant time
        if hmac.compare_digest(hashed, known):
            found = name
    return found


def hash_of(token: str) -> str:
    """What TOKENS holds. SHA-256 is enough: a token has 256 random bits, and there is nothing to guess."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _known() -> list[tuple[str, str]]:
    plain = [(PLAIN, hash_of(settings.METRICS_TOKEN))] if settings.METRICS_TOKEN else []
    return [*settings.TOKENS.items(), *plain]
