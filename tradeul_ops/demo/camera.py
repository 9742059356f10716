"""Takes pictures of every page as a person sees it: light and dark, wide and narrow. Changes nothing on them.

Needs Playwright, a development dependency, and an installed Chromium; it downloads none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMES = ("light", "dark")
WIDTHS = {1440: 900, 390: 844}  # of the window, and its height; the picture is as long as the page
# What a page's first link of this kind leads to: one of the things it lists, of streams the worst.
DETAILS = {
    "stream": ("/streams/?sort=state", "#live table a[href^='/streams/of/']"),
    "snapshot": ("/snapshots/", "#live table a[href^='/snapshots/']"),
    "live-table": ("/snapshots/", "#live table a[href$='/live/'], #live table a[href*='live']"),
    "hypertable": ("/hypertables/", "#live table a[href^='/hypertables/']"),
    "admin-limit": ("/admin/streams/streamlimit/", "#result_list tbody th a"),
}
PAGES = {
    "overview": "/",
    "streams": "/streams/",
    "snapshots": "/snapshots/",
    "hypertables": "/hypertables/",
    "producers": "/producers/",
    "jobs": "/jobs/",
    "findings": "/findings/",
    "changes": "/changes/",
    "verify": "/verify/",
    "runbook": "/runbook/",
    "new-limit": "/streams/limits/new",
    "explained": "/?explain=memory.used",
    "admin-index": "/admin/",
    "admin": "/admin/streams/streamlimit/",
    "not-found": "/nothing-here/",
}
ANSWER_MS = 15_000


class NoCamera(Exception):
    """Playwright or a Chromium is missing; the message says which, and what to install."""


def take(folder: Path, *, url: str, user: str, password: str) -> Iterator[Path]:
    """As photograph, with a browser of its own. Raises NoCamera."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NoCamera("Playwright is not installed: pip install -r requirements-dev.txt") from error
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise NoCamera("There is no chromium or google-chrome on PATH.")
    flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield from photograph(browser, folder, url=url, user=user, password=password)
        finally:
            browser.close()


def photograph(browser: Any, folder: Path, *, url: str, user: str, password: str) -> Iterator[Path]:
    """Writes `page-scheme-width.png` into `folder`, one by one. Raises ValueError if the login is refused."""
    cookies, places = _log_in(browser, url, user, password)
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        for width, height in WIDTHS.items():
            context = browser.new_context(
                base_url=url, color_scheme=scheme, viewport={"width": width, "height": height}
            )
            context.add_cookies(cookies)
            page = context.new_page()
            page.set_default_timeout(ANSWER_MS)
            for name, place in places.items():
                path = folder / f"{name}-{scheme}-{width}.png"
                page.goto(place)
                page.screenshot(path=path, full_page=True)
                yield path
            context.close()


def _log_in(browser: Any, url: str, user: str, password: str) -> tuple[list[Any], dict[str, str]]:
    """The session's cookies, and every page by its name, those of the things that are there among them."""
    context = browser.new_context(base_url=url)
    page = context.new_page()
    page.set_default_timeout(ANSWER_MS)
    page.goto("/login/")
    page.fill("[name=username]", user)
    page.fill("[name=password]", password)
    page.click("button.primary")
    if "/login/" in page.url:
        raise ValueError(f"{url}: the login of {user} was refused.")
    places = dict(PAGES)
    for name, (listing, link) in DETAILS.items():
        page.goto(listing)
        if page.locator(link).count():
            places[name] = page.locator(link).first.get_attribute("href")
    cookies = context.cookies()
    context.close()
    return cookies, places
