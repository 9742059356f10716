"""Every address of the console, with something in the place of each of its parts."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

FILLED = {"int": "1", "str": "x", "path": "x", "slug": "x", "what": "tables"}


def every_address(resolver: URLResolver | None = None, before: str = "/") -> Iterator[tuple[str, str]]:
    """(address, name of its pattern, or nothing)."""
    for one in (resolver or get_resolver()).url_patterns:
        here = before + _filled(one)
        if isinstance(one, URLResolver):
            yield from every_address(one, here)
        elif isinstance(one, URLPattern):
            yield here, one.name or ""


def _filled(one: URLPattern | URLResolver) -> str:
    if not isinstance(one.pattern, RoutePattern):  # admin's last one, which takes whatever is left
        return "whatever/"
    said = str(one.pattern)
    for name, converter in one.pattern.converters.items():
        kinds = [kind for kind in FILLED if f"<{kind}:{name}>" in said]
        kind = kinds[0] if kinds else ""
        said = said.replace(f"<{kind}:{name}>" if kind else f"<{name}>", FILLED.get(kind, "1"))
        assert converter is not None
    return said
