"""Texts that are written from right to left turn nothing round that stands beside them.

Chargers and people give names. In the text of a page each is isolated where it has letters of such a script, and
characters that override the direction of what follows are shown instead of obeyed: sentences contain names, too.
Attributes, fields and evidence stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup

SHOWN: Final = "\ufffd"
EXACT: Final = ("title", "textarea", "option", "pre", "script", "style")
"""Elements without elements inside, and what was sent."""
_OVERRIDES: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FROM_THE_RIGHT: Final = re.compile(
    "[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_TAG: Final = re.compile(r"<(/?)([a-z][a-z0-9]*)|>")
_ISOLATED: Final = Markup("<bdi>{}</bdi>")


class Isolating(Extension):
    """Isolates what templates put into the text of a page."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["isolated"] = isolated

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Put `isolated` behind each expression that stands in text."""
        place = _Place()
        for token in stream:
            if token.type == "data":
                place.pass_by(token.value)
            is_text = place.is_text
            if token.type == "variable_end" and is_text:
                yield from (Token(token.lineno, kind, value) for kind, value in _BEHIND)
            yield token
            if token.type == "variable_begin" and is_text:
                yield Token(token.lineno, "lparen", "(")


_BEHIND: Final = (("rparen", ")"), ("pipe", "|"), ("name", "isolated"))


class _Place:
    """Where in HTML a template is."""

    def __init__(self) -> None:
        self._is_in_tag = False
        self._exact = ""

    @property
    def is_text(self) -> bool:
        """Whether elements may stand here."""
        return not self._is_in_tag and not self._exact

    def pass_by(self, html: str) -> None:
        """Go on behind these characters."""
        for found in _TAG.finditer(html):
            closes, name = found.groups()
            self._is_in_tag = name is not None
            if name in EXACT:
                self._exact = "" if closes else name


def isolated(value: object) -> object:
    """Return a text that turns nothing round. Only those are changed that could."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isascii():
        return value
    shown = _OVERRIDES.sub(SHOWN, value)
    return _ISOLATED.format(shown) if _FROM_THE_RIGHT.search(shown) else shown
