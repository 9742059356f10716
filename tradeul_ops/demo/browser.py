"""A person's browser in forty lines: cookies, a login, forms submitted with the values the page showed. No script."""

from __future__ import annotations

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Page:
    status: int
    url: str
    text: str


class _Fields(HTMLParser):
    """The values a browser would submit for the form that posts to `path`, unchecked boxes left out."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.values: dict[str, str] = {}  # of the form that is open, or of none that matters
        self.form: dict[str, str] = {}
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.values = {}
            if given.get("method") == "post" and given.get("action", "") in ("", self.path):
                self.form = self.values
        elif tag == "textarea":
            self._area = name
            self.values[name] = ""
        elif tag == "input" and name:
            box = given.get("type") in {"checkbox", "radio"}
            if not box or "checked" in given:
                self.values[name] = given.get("value", "on" if box else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data.strip()


@dataclass
class Browser:
    base_url: str
    _opener: urllib.request.OpenerDirector = field(init=False)

    def __post_init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Page:
        return self._send(urllib.request.Request(self.base_url + path, headers=dict(headers or {})))

    def submit(self, path: str, changes: Mapping[str, str | None]) -> Page:
        """Opens the form at `path`, changes some of its values (None unticks a box) and submits it."""
        form = _Fields(path)
        form.feed(self.get(path).text)
        values = {**form.form, **{name: value for name, value in changes.items() if value is not None}}
        for name in (name for name, value in changes.items() if value is None):
            values.pop(name, None)
        body = urllib.parse.urlencode(values).encode()
        return self._send(urllib.request.Request(self.base_url + path, body, {"Referer": self.base_url + path}))

    def login(self, user: str, password: str) -> None:
        page = self.submit("/login/", {"username": user, "password": password})
        if "/login/" in page.url:
            raise PermissionError(f"{self.base_url}: the login of {user} was refused.")

    def _send(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return Page(answer.status, answer.url, answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as error:
            return Page(error.code, request.full_url, error.read().decode(errors="replace"))
