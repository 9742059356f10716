"""What every page shows: how many findings there are, in the navigation. Reads nothing for a page without it."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from tradeul_ops.console.since import Noted, remembered


def findings(request: HttpRequest) -> dict[str, Noted]:
    noted: Noted = SimpleLazyObject(lambda: remembered.noted(now=timezone.now()))  # type: ignore[assignment]
    return {"findings_noted": noted}
