"""Django's own `translate`, cheaper where it says a text as it stands: a page that polls has two hundred of them."""

from __future__ import annotations

from django import template
from django.template.base import Node, Parser, Token
from django.template.context import Context
from django.templatetags.i18n import TranslateNode, do_translate
from django.utils.translation import gettext

register = template.Library()


class Text(Node):
    """Django's node makes a lazy string and resolves, formats and escapes it, which costs ten times the look-up."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("%", "%%")  # as Django's tools take it out of the template

    def render(self, context: Context) -> str:
        return gettext(self.text).replace("%%", "%")


@register.tag
def translate(parser: Parser, token: Token) -> Node:
    """With a filter, a variable, `as`, `noop` or `context` it is Django's own."""
    node: TranslateNode = do_translate(parser, token)
    said = node.filter_expression
    text = said.var.literal
    if not isinstance(text, str) or said.filters or node.noop or node.asvar or node.message_context:
        return node
    return Text(text)
