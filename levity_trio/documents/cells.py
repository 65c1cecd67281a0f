"""Cells of a spreadsheet: texts that begin like a formula are quoted, and read back as they were.

A charger chooses the text of its tags, and a neighbour his name: neither may run in the owner's
spreadsheet.
"""

from __future__ import annotations

from typing import Final

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
QUOTE: Final = "'"


def inert(value: object) -> object:
    """Return a value that no spreadsheet takes for a formula."""
    return f"{QUOTE}{value}" if isinstance(value, str) and _needs_quote(value) else value


def plain(text: str) -> str:
    """Return the text from which `inert` made this one."""
    return text[1:] if text.startswith(QUOTE) and _needs_quote(text[1:]) else text


def _needs_quote(text: str) -> bool:
    """Whether a text is a formula, or one that is quoted already."""
    return text.lstrip(QUOTE).startswith(FORMULAS)
