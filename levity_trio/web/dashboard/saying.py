"""Words of the API as people read them: sentences, with the names that pages give to things."""

from __future__ import annotations

import re
from typing import Final

NAMES: Final = {"transaction": "session", "account": "household"}
_NAMED: Final = re.compile(r"(?<![\w-])(?<!bank )(transaction|account)(s?)(?![\w-])")


def in_words(words: str) -> str:
    """Return words of the API with the names of pages: sessions and households."""
    return _NAMED.sub(lambda found: NAMES[found[1]] + found[2], words)


def capital(words: str) -> str:
    """Return words with a capital letter at their beginning."""
    return words[:1].upper() + words[1:]


def sentence(words: str) -> str:
    """Return words as a sentence."""
    return capital(words).rstrip(".") + "."
