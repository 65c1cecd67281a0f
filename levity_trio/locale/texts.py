"""Texts of the program in the language of the request: by their templates, where they have one (levity_trio.told)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from levity_trio.locale import catalogue
from levity_trio.locale.formats import typed
from levity_trio.told import Figure, Told, Value, filled

if TYPE_CHECKING:
    from gettext import GNUTranslations


def said(words: str) -> str:
    """Return a text of the program in the language of the request: what its catalogue has not stays English.

    A Told knows its template, so its values stay as they are. Another text is compared with the whole catalogue, which
    has {1} and {2} where it has figures, names, or other such texts.
    """
    known = catalogue()
    if known is None:
        return words
    return _translated(known, words) if isinstance(words, Told) else _said(known, words)


def _translated(catalogue: GNUTranslations, text: Told) -> str:
    if text.many is None:
        template = catalogue.gettext(text.template)
    else:
        template = catalogue.ngettext(text.template, text.many, int(str(text.values[0])))
    return filled(template, [_shown(catalogue, value) for value in text.values])


def _shown(catalogue: GNUTranslations, value: Value) -> str:
    if isinstance(value, Told):
        return _translated(catalogue, value)
    if isinstance(value, Figure):
        return typed(Decimal(str(value)))
    return str(value)


class _Pattern(NamedTuple):
    """A text with gaps: what stands around them in English, and the translation."""

    around: Sequence[str]
    translation: str


@lru_cache(maxsize=2000)
def _said(catalogue: GNUTranslations, words: str) -> str:
    if not _IS_TEXT.search(words):
        return words
    if (known := catalogue.gettext(words)) != words:
        return known
    fitting = ((gaps, one.translation) for one in _patterns(catalogue) if (gaps := _gaps(words, one.around)))
    gaps, translation = next(fitting, ((), words))
    if not gaps and "; " in words:
        return "; ".join(_said(catalogue, part) for part in words.split("; "))
    values = [_said(catalogue, gap) for gap in gaps]
    return _GAP.sub(lambda gap: values[int(gap[1]) - 1], translation) if gaps else words


def _gaps(words: str, around: Sequence[str]) -> Sequence[str]:
    """Return what stands in the gaps of a text, () if it is another one.

    This takes linear time: some words of a text are of a charger.
    """
    first, *between, last = around
    at, end, gaps = len(first), len(words) - len(last), list[str]()
    if at > end or not words.startswith(first) or not words.endswith(last):
        return ()
    for part in between:
        begin = words.find(part, at, end)
        gaps.append(words[at:begin] if begin >= 0 else "")
        at = begin + len(part)
    gaps.append(words[at:end])
    return gaps if all(gaps) else ()


@cache
def _patterns(catalogue: GNUTranslations) -> Sequence[_Pattern]:
    """Return the texts with gaps that have a translation, the most particular ones first."""
    texts: dict[object, str] = vars(catalogue)["_catalog"]  # gettext has no other way to all of them
    found = [_Pattern(_GAP.split(text)[::2], said) for text, said in texts.items() if isinstance(text, str) and said]
    return sorted((one for one in found if len(one.around) > 1), key=lambda one: -sum(map(len, one.around)))


_IS_TEXT: Final = re.compile(r"[A-Za-z]{2}")
_GAP: Final = re.compile(r"\{(\d+)\}")
