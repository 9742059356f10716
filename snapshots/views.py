"""Serves published snapshots over HTTP: bytes as Redis holds them where the client takes zstd. Builds nothing."""

from __future__ import annotations

import gzip
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import zstandard
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.http import require_safe

from snapshots import store
from snapshots.engine.codec import MAGIC
from snapshots.engine.names import keys_of
from snapshots.models import SnapshotPolicy
from snapshots.store import Head
from tradeul_ops.access import login_or_token
from tradeul_ops.connections import data_redis

NAME_WITHOUT_POLICY = "latest"  # a SnapshotManager's, unless it was given another
GZIP_LEVEL = 6
ZSTD_LEVEL = 3
RECENT = 12  # answers kept, so that each is compressed once and not once a client

Parameters = ParamSpec("Parameters")
_recent: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
_guard = threading.Lock()


def snapshot_view(
    view: Callable[Concatenate[HttpRequest, str, Head, Parameters], HttpResponse],
) -> Callable[..., HttpResponseBase]:
    """Finds the snapshot and its head for the view, and answers in JSON what the store raises."""

    @require_safe
    @login_or_token
    @wraps(view)
    def answered(
        request: HttpRequest, name: str | None = None, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> HttpResponseBase:
        if name is None:
            default = SnapshotPolicy.objects.filter(is_default=True).values_list("name", flat=True).first()
            name = default or NAME_WITHOUT_POLICY
        try:
            keys_of(name)
        except ValueError as error:
            return _error(404, str(error))
        try:
            response = view(request, name, store.read_head(data_redis(), name=name), *args, **kwargs)
        except store.NothingPublished as error:
            response = _error(404, str(error))
        except store.TooOld as error:
            response = _error(410, str(error), full_sequence=error.full_sequence)
        except store.StoreError as error:
            response = _error(503, str(error))
        response["Cache-Control"] = "private, no-cache"  # keep it, but ask with the ETag
        return response

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
    return _unless_known(request, _etag(at.epoch, at.sequence), lambda: JsonResponse(answer))


@snapshot_view
def full(request: HttpRequest, name: str, at: Head) -> HttpResponse:
    def answer() -> HttpResponse:
        return _document(request, (name, at.epoch, at.base, "full"), store.read_full(data_redis(), name))

    return _unless_known(request, _etag(at.epoch, at.base), answer)


@snapshot_view
def delta(request: HttpRequest, name: str, at: Head) -> HttpResponse:
    """The newest delta alone. A reader who may have missed one asks for `deltas` instead."""

    def answer() -> HttpResponse:
        stored = store.read_deltas(data_redis(), name, head=at, since=at.sequence - 1)
        return _document(request, (name, at.epoch, at.sequence, "delta"), stored[0])

    return _unless_known(request, _etag(at.epoch, at.sequence), answer)


@snapshot_view
def deltas(request: HttpRequest, name: str, at: Head) -> HttpResponse:
    """All that came after `since`, in order; 410 once they are gone, or `epoch` is another one."""
    since_text, epoch = request.GET.get("since", ""), request.GET.get("epoch", at.epoch)
    if not since_text.isascii() or not since_text.isdigit() or len(since_text) > 18:
        return _error(400, "since must be the sequence of the state at hand, a whole number.")
    since = int(since_text)
    if epoch != at.epoch:
        raise store.TooOld(f"snapshot {name}: a new epoch began; read the full {at.base}.", full_sequence=at.base)

    def answer() -> HttpResponse:
        return _document(request, (name, at.epoch, at.sequence, since), _joined(name, at, since))

    return _unless_known(request, _etag(at.epoch, at.sequence), answer)


def _joined(name: str, at: Head, since: int) -> Callable[[], bytes]:
    stored = store.read_deltas(data_redis(), name, head=at, since=since)
    opening = f'{{"epoch":"{at.epoch}","seq":{at.sequence},"base":{at.base},"deltas":['.encode()
    return lambda: opening + b",".join(map(store.unpacked, stored)) + b"]}"


def _unless_known(request: HttpRequest, etag: str, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """304 where the client has it already; the documents are not even read then."""
    response: HttpResponse | None = get_conditional_response(request, etag=etag)
    if response is None:
        response = answer()
    response["ETag"] = etag
    patch_vary_headers(response, ("Accept-Encoding",))
    return response


def _document(request: HttpRequest, key: tuple[Any, ...], content: bytes | Callable[[], bytes]) -> HttpResponse:
    """`content`: stored bytes, or a function that gives JSON, which is called once and its answer kept by `key`."""
    encoding = _encoding(request.headers.get("Accept-Encoding", ""))
    stored = content if isinstance(content, bytes) else b""
    if stored and not stored.startswith(MAGIC):
        encoding = ""  # so small that it was stored as it is
    if stored and encoding == "zstd":
        body = stored
    else:
        body = _once((*key, encoding), lambda: _encoded(store.unpacked(stored) if stored else content(), encoding))
    response = HttpResponse(body, content_type="application/json")
    if encoding:
        response["Content-Encoding"] = encoding
    return response


def _encoded(raw: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(raw, GZIP_LEVEL, mtime=0)
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compress(raw)
    return raw


def _once(key: tuple[Any, ...], make: Callable[[], bytes]) -> bytes:
    """What `make` gives for this key; of uncompressed answers none is kept."""
    with _guard:
        if key in _recent:
            _recent.move_to_end(key)
            return _recent[key]
    body = make()
    if key[-1]:
        with _guard:
            _recent[key] = body
            while len(_recent) > RECENT:
                _recent.popitem(last=False)
    return body


def _encoding(accepted: str) -> str:
    """zstd, gzip or "": the first of these that the client takes."""
    takes: dict[str, bool] = {}
    for word in accepted.lower().split(","):
        coding, _, parameters = word.partition(";")
        quality = parameters.partition("q=")[2].strip()
        takes[coding.strip()] = not quality or quality.strip("0.") != ""
    return next((coding for coding in ("zstd", "gzip") if takes.get(coding, takes.get("*", False))), "")


def _etag(epoch: str, sequence: int) -> str:
    """Weak: the same content, in whichever encoding."""
    return f'W/"{epoch}-{sequence}"'


def _error(status: int, sentence: str, **more: Any) -> JsonResponse:
    return JsonResponse({"error": sentence, **more}, status=status)
