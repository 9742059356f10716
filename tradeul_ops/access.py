"""Lets people with a session and machines with the token read the JSON endpoints. Redirects nobody to a login page."""

from __future__ import annotations

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


def login_or_token(view: View[Parameters]) -> View[Parameters]:
    """Asks for a logged-in session or `Authorization: Bearer <METRICS_TOKEN>`; answers 401 in JSON otherwise."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
        if _has_token(request) or request.user.is_authenticated:
            response = view(request, *args, **kwargs)
        else:
            sentence = gettext("Log in, or send Authorization: Bearer with the METRICS_TOKEN of this installation.")
            response = JsonResponse({"error": sentence}, status=401)
            response["WWW-Authenticate"] = "Bearer"
        patch_vary_headers(response, ("Authorization", "Cookie"))
        return response

    return guarded


def _has_token(request: HttpRequest) -> bool:
    """In constant time; never where no token is set."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected: str = settings.METRICS_TOKEN
    if not expected or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(token.strip().encode(), expected.encode())
