"""Every text of a page is marked for translation, and Django's own tool can take it out."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context, Template
from django.test import override_settings
from django.urls import reverse
from django.utils import translation

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SAID = {"title", "aria-label", "placeholder", "data-label", "alt"}  # attributes that a person reads
# Names of products; fields, commands and units in the servers' own words.
AS_IT_IS = {
    "tradeul ops",
    "PostgreSQL",
    "TimescaleDB",
    "maxlen",
    "max_age",
    "max_bytes",
    "pid",
    "CSV",
    "JSON",
    "UTC",
    "GB",
    "ms",
}
QUOTED = {"code", "pre", "kbd", "script", "style"}  # keys, commands and SQL
MARKED = re.compile(r"{%\s*blocktranslate\b.*?{%\s*endblocktranslate\s*%}|{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
WORD = re.compile(r"[A-Za-z]{2,}")
LITERAL = re.compile(r"\|(?:default|default_if_none|yesno|pluralize):(\"[^\"]*[A-Za-z][^\"]*\"|'[^']*[A-Za-z][^']*')")


class Unmarked(HTMLParser):
    """Collects what a person would read of a template whose tags and variables were taken out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._quoted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._quoted += tag in QUOTED
        for name, value in attrs:
            if name in SAID:
                self._take(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._quoted -= tag in QUOTED

    def handle_data(self, data: str) -> None:
        if not self._quoted:
            self._take(data)

    def _take(self, text: str) -> None:
        for piece in re.split(r"[·\n]", text):
            if WORD.search(piece) and piece.strip() not in AS_IT_IS:
                self.found.append(piece.strip())


def unmarked(source: str) -> list[str]:
    parser = Unmarked()
    parser.feed(MARKED.sub("", source))
    parser.close()
    return parser.found + LITERAL.findall(source)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_every_text_of_a_template_is_marked(template):
    assert unmarked(template.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('<p class="over">{{ x }} left</p>', ["left"]),
        ('<p title="Look here">{% translate "left" %}</p>', ["Look here"]),
        ('{{ x|default:"none" }}', ['"none"']),
        ('{{ x|default:_("none") }} <code>XLEN</code> · tradeul ops', []),
        ("{% blocktranslate %}{{ x }} left{% endblocktranslate %}", []),
    ],
)
def test_the_walk_sees_what_is_not_marked(source, found):
    assert unmarked(source) == found


def _message_files(folder):
    (folder / "locale").mkdir()
    for name in ("templates", "tradeul_ops", "streams", "snapshots", "timescale"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.zst", "static", "__pycache__"))
    return subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "--locale", "es", "--verbosity", "0"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(not shutil.which("msgfmt"), reason="GNU gettext (xgettext, msgfmt) is not installed")
def test_a_catalogue_can_be_made_and_a_page_then_speaks_it(tmp_path, client):
    made = _message_files(tmp_path)
    assert made.returncode == 0, made.stderr
    catalogue = tmp_path / "locale" / "es" / "LC_MESSAGES" / "django.po"
    text = catalogue.read_text()
    for said in ('"Log in"', '"Bounded."', '"{span} ago"', '"by <code>%(pattern)s</code>"', '"%(age)s ago"'):
        assert f"msgid {said}" in text, said

    catalogue.write_text(text.replace('msgid "Log in"\nmsgstr ""', 'msgid "Log in"\nmsgstr "Entrar"'))
    subprocess.run(["msgfmt", "--check-format", "-o", catalogue.with_suffix(".mo"), catalogue], check=True, timeout=60)
    try:
        with override_settings(LOCALE_PATHS=[tmp_path / "locale"], LANGUAGES=[("en", "English"), ("es", "Español")]):
            page = client.get(reverse("login"), headers={"accept-language": "es"}).content.decode()
    finally:
        translation.trans_real._translations.clear()
    assert '<html lang="es">' in page
    assert "Entrar" in page


@pytest.mark.parametrize(
    "source", ["{% translate 'Streams' %}", "{% translate '5 % of <b>all</b>' %}", "{% translate 'Log out' noop %}"]
)
def test_a_text_is_said_as_djangos_own_tag_says_it(source: str) -> None:
    """Ours is the builtin; loading Django's library in a template puts its own in the place."""
    for language in ("en", "es"):
        with translation.override(language):
            ours, djangos = Template(source), Template("{% load i18n %}" + source)
            assert ours.render(Context()) == djangos.render(Context())
            assert "Text" in {type(node).__name__ for node in ours.nodelist} or "noop" in source
