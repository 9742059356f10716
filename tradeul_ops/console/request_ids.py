"""Gives every request an id, says it in the answer, and hands it to the tasks that the request sends."""

from __future__ import annotations

from collections.abc import Callable

from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from tradeul_ops.logs import HEADER, current_id, id_from


def name_requests(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The first middleware: what the others log belongs to the request, too."""

    def middleware(request: HttpRequest) -> HttpResponse:
        current_id.set(id_from(request.headers.get(HEADER)))
        response = get_response(request)
        response[HEADER] = current_id.get()
        return response

    return middleware


@receiver(request_finished)
def _over(**_: object) -> None:
    """Not before: Django logs a 404 or 500 after the last middleware."""
    current_id.set("")
