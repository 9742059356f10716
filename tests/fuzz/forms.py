"""The forms of a page as a browser would send them: where to, how, and every field with the value it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

Fields = list[tuple[str, str]]


@dataclass
class Form:
    action: str
    method: str
    fields: Fields = field(default_factory=list)
    buttons: Fields = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.found, self.links = page, [], set()  # type: tuple[str, list[Form], set[str]]
        self._select, self._textarea = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        for name in ("href", "hx-get"):
            if said.get(name, "").startswith(("/", "?")):
                self.links.add(said[name] if said[name][0] == "/" else self.page + said[name])
        if tag == "form":
            self.found.append(Form(said.get("action") or self.page, said.get("method", "get").lower()))
        if not self.found or (not said.get("name") and tag != "option"):
            return
        form = self.found[-1]
        if tag == "button" or said.get("type") == "submit":
            form.buttons.append((said["name"], said.get("value", "")))
        elif tag == "input" and (said.get("type") not in {"checkbox", "radio"} or "checked" in said):
            form.fields.append((said["name"], said.get("value", "on")))
        elif tag == "select":
            self._select = said["name"]
        elif tag == "option" and self._select and "selected" in said:
            form.fields.append((self._select, said.get("value", "")))
        elif tag == "textarea":
            self._textarea = said["name"]

    def handle_endtag(self, tag: str) -> None:
        self._select = "" if tag == "select" else self._select
        self._textarea = "" if tag == "textarea" else self._textarea

    def handle_data(self, data: str) -> None:
        if self._textarea and self.found:
            self.found[-1].fields.append((self._textarea, data))


def read(page: str, html: str) -> tuple[list[Form], set[str]]:
    """The page's forms, and the addresses of this site that it links to."""
    reader = _Reader(page)
    reader.feed(html)
    return reader.found, reader.links
