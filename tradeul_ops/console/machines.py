"""Refuses plain HTTP at the addresses of machines where pages would redirect it. Looks at nothing else.

A program that was given http:// by mistake would follow the redirect and go on sending its token in the clear, at every
request; refused, it says so at the first. The probes and /metrics are asked beside the container, in plain HTTP.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy

MACHINES = ("/api/", "/snapshot/")
REFUSED = gettext_lazy("Ask by https://. A token that was sent here in plain HTTP should be replaced.")


def refuse_plain_http(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Stands before the middleware that redirects."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.SECURE_SSL_REDIRECT and not request.is_secure() and request.path_info.startswith(MACHINES):
            return JsonResponse({"error": str(REFUSED)}, status=403)
        return get_response(request)

    return middleware
