"""Sends errors to a server that speaks Sentry's protocol, where SENTRY_DSN names one. Imports nothing otherwise."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from tradeul_ops.logs import current_id

NEVER = ("request", "user", "server_name")  # bodies, cookies, headers, who and where: the id leads to our own log


def start(dsn: str) -> None:
    """Errors only, no traces; of a request nothing but its id. Raises ImproperlyConfigured naming the variable."""
    try:
        import sentry_sdk
    except ImportError as error:
        raise ImproperlyConfigured(
            "SENTRY_DSN: the package sentry-sdk is not installed; pip install sentry-sdk."
        ) from error
    try:
        sentry_sdk.init(
            dsn,
            send_default_pii=False,
            include_local_variables=False,  # they hold URLs with passwords
            max_request_body_size="never",
            before_send=_reduced,
            traces_sample_rate=None,
        )
    except sentry_sdk.utils.BadDsn as error:  # whose text repeats a part of it
        raise ImproperlyConfigured("SENTRY_DSN: that is no address as https://KEY@HOST/PROJECT.") from error


def _reduced(event: Any, hint: dict[str, Any]) -> Any:
    for part in NEVER:
        event.pop(part, None)
    event.pop("breadcrumbs", None)  # queries and the URLs of other requests
    event.setdefault("tags", {})["id"] = current_id.get()
    return event
