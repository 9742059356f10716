"""Serves published snapshots over HTTP, as docs/http.md says. Makes no bytes: services.serving and services.rows do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from snapshots import store
from snapshots.engine.errors import SnapshotError
from snapshots.engine.names import keys_of
from snapshots.services import rows, serving
from snapshots.services.serving import Body, Encoding
from snapshots.store import Head
from snapshots.views.negotiation import cross_origin, unless_known
from tradeul_ops.access import login_or_token

ATTEMPTS = 4
SHAPES = ("columns", "rows")


def snapshot_view(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponseBase]:
    """Finds the list and its head for the view, and answers in JSON what the store raises."""

    @cross_origin
    @require_safe
    @login_or_token
    @wraps(view)
    def answered(request: HttpRequest, /, list_name: str = "", **kwargs: Any) -> HttpResponseBase:
        name = list_name or request.GET.get("list", "") or serving.default_name()
        try:
            keys_of(name)
        except ValueError as error:
            return _error(404, str(error))
        if request.GET.get("shape", SHAPES[0]) not in SHAPES:
            return _error(400, f"shape must be {' or '.join(SHAPES)}.")
        try:
            for _ in range(ATTEMPTS):
                try:
                    return view(request, name, serving.read_head(name), **kwargs)
                except serving.Moved as error:
                    moved = error
            raise moved
        except store.NothingPublished as error:
            return _error(404, str(error))
        except store.TooOld as error:
            full = f"{reverse('snapshots:full')}?list={name}"
            return _error(410, str(error), full_sequence=error.full_sequence, full=full)
        except SnapshotError as error:
            return _error(503, str(error))

    return answered


@snapshot_view
def head(request: HttpRequest, name: str, at: Head) -> HttpResponse:
    answer = {
        "name": name,
        "kind": at.kind,
        "epoch": at.epoch,
        "seq": at.sequence,
        "base": at.base,
        "ts": at.ts,
        "profile": at.profile,
        "checksum": at.checksum,
        "tickers": at.tickers,
        "full_bytes": at.full_bytes,
        "delta_bytes": at.delta_bytes,
    }
    return unless_known(
        request, tag=f"{at.epoch}-{at.sequence}-head", body=lambda _: Body(JsonResponse(answer).content, "")
    )


@snapshot_view
def full(request: HttpRequest, name: str, at: Head) -> HttpResponse:
    if _as_rows(request):
        return _answer(request, f"{at.epoch}-{at.sequence}-rows", rows.full_rows, name, at)
    return _answer(request, f"{at.epoch}-{at.base}-full", serving.full_body, name, at)


@snapshot_view
def delta(request: HttpRequest, name: str, at: Head) -> HttpResponse:
    """The newest delta alone. A reader who may have missed one asks for `since` instead."""
    if _as_rows(request):
        return _answer(request, f"{at.epoch}-{at.sequence}-changed-rows", rows.delta_rows, name, at)
    return _answer(request, f"{at.epoch}-{at.sequence}-delta", serving.delta_body, name, at)


@snapshot_view
def since(request: HttpRequest, name: str, at: Head, sequence: int) -> HttpResponse:
    """What came after `sequence`, in order; 410 once they are gone, or `epoch` is another one."""
    if _as_rows(request):
        return _error(400, "shape=rows is for full/latest and delta/latest: what came since is applied to columns.")
    if request.GET.get("epoch", at.epoch) != at.epoch:
        raise store.TooOld(f"snapshot {name}: a new epoch began; read the full {at.base}.", full_sequence=at.base)

    def body(encoding: Encoding) -> Body:
        return serving.since_body(name, head=at, since=sequence, encoding=encoding)

    return unless_known(request, tag=f"{at.epoch}-{at.sequence}-since-{sequence}", body=body)


def _as_rows(request: HttpRequest) -> bool:
    return request.GET.get("shape") == "rows"


def _answer(request: HttpRequest, tag: str, make: Callable[..., Body], name: str, at: Head) -> HttpResponse:
    return unless_known(request, tag=tag, body=lambda encoding: make(name, head=at, encoding=encoding))


def _error(status: int, sentence: str, **more: Any) -> JsonResponse:
    response = JsonResponse({"error": sentence, **more}, status=status)
    response["Cache-Control"] = "no-store"  # a 404 or 410 may otherwise be kept for as long as a cache likes
    return response
