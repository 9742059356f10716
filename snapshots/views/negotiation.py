"""What a request accepts: its encoding, the origins it may come from, whether it has the answer already."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers

from snapshots.services.serving import Body, Encoding

Parameters = ParamSpec("Parameters")
View = Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase]

PREFLIGHT_SECONDS = 7200  # Chromium asks again after that, whatever it is told


def encoding_of(request: HttpRequest) -> Encoding:
    """zstd, gzip or "" for plain: the first of these that the client takes."""
    takes: dict[str, bool] = {}
    for word in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, parameters = word.partition(";")
        quality = parameters.partition("q=")[2].strip()
        takes[coding.strip()] = not quality or quality.strip("0.") != ""
    codings: tuple[Encoding, ...] = ("zstd", "gzip")
    return next((coding for coding in codings if takes.get(coding, takes.get("*", False))), "")


def unless_known(request: HttpRequest, *, tag: str, body: Callable[[Encoding], Body]) -> HttpResponse:
    """The body in the encoding that the client takes, or 304 where it has it; then nothing is read or made.

    `tag` says which content; each encoding of it is a representation of its own, with a strong ETag of its own.
    """
    encoding = encoding_of(request)
    etag = f'"{tag}-{encoding or "plain"}"'
    response: HttpResponse | None = get_conditional_response(request, etag=etag)
    if response is None:
        made = body(encoding)
        response = HttpResponse(made.content, content_type="application/json")
        if made.encoding:
            response["Content-Encoding"] = made.encoding
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"  # keep it, but ask with the ETag
    return response


def cross_origin(view: View[Parameters]) -> View[Parameters]:
    """Lets pages of the origins in SNAPSHOT_ORIGINS read the answers, errors too; answers their preflights."""

    @wraps(view)
    def shared(request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
        origin = request.headers.get("Origin", "")
        allowed = origin in settings.SNAPSHOT_ORIGINS
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response: HttpResponseBase = HttpResponse(status=204 if allowed else 403)
            if allowed:
                response["Access-Control-Allow-Methods"] = "GET, HEAD"
                response["Access-Control-Allow-Headers"] = "Authorization, If-None-Match"
                response["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        else:
            response = view(request, *args, **kwargs)
        if allowed:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Allow-Credentials"] = "true"
            response["Access-Control-Expose-Headers"] = "ETag"
        patch_vary_headers(response, ("Accept-Encoding", "Origin"))
        return response

    return shared
