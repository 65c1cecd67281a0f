"""What people read, in their language. English is the source; the catalogue of a language has its translations.

A request has its language, so texts in tables of modules are marked with `N_`, and translated where they are shown.
Stored facts, the log and the answers of the API stay English: `said` translates them where they are shown.
`just catalogue de` writes what there is to translate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from gettext import GNUTranslations

T = TypeVar("T")
SOURCE: Final = "en"
NAMES: Final = {"en": "English", "de": "Deutsch"}
"""What those who speak a language call it."""
FOLDER: Final = Path(__file__).parent
"""Has a folder for each language, as gettext wants it: de/LC_MESSAGES/levity_trio.po."""
DOMAIN: Final = "levity_trio"


def _(text: str, /, **values: object) -> str:
    """Return a text in the language of the request, with its values: `_("%(count)s sessions", count=2)`."""
    catalogue = _catalogue.get()
    said = text if catalogue is None or not text else catalogue.gettext(text)  # "" would be the head of the catalogue
    return said % values if values else said


def N_(texts: T) -> T:  # noqa: N802 - the name by which catalogues know it
    """Mark a text, or all words in a table of texts, which `_` translates where they are shown."""
    return texts


def _n(one: str, many: str, number: int, /, **values: object) -> str:
    """Return the text for a number, which stands in it as `%(num)s`. Languages have other plurals than English."""
    catalogue = _catalogue.get()
    said = (one if number == 1 else many) if catalogue is None else catalogue.ngettext(one, many, number)
    return said % {"num": number, **values}


def said(words: str) -> str:
    """Return a whole text of the API or of the database, which is English, in the language of the request.

    A catalogue has {1} and {2} where the text has figures, names, or other such texts. What it has not stays English.
    """
    catalogue = _catalogue.get()
    return words if catalogue is None else _said(catalogue, words)


def language() -> str:
    """Return the language of the request."""
    return _language.get()


def of_reader() -> str | None:
    """Return the language of the request for papers, None for English: a program speaks that, too."""
    return language() if language() in _translated(FOLDER) else None


def languages(folder: Path = FOLDER) -> Sequence[str]:
    """Return the languages that people may read, the source first."""
    return (SOURCE, *_translated(folder))


@contextmanager
def speaking(name: str, folder: Path = FOLDER) -> Iterator[None]:
    """Let what runs inside the block, also in threads and tasks that it starts, speak a language."""
    spoken, used = _language.set(name), _catalogue.set(None if name == SOURCE else _read(folder, name))
    try:
        yield
    finally:
        _catalogue.reset(used)
        _language.reset(spoken)


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Let numbers, days and money inside the block be those of a language, while the words stay as they are."""
    written = _language.set(name)
    try:
        yield
    finally:
        _language.reset(written)


_language: ContextVar[str] = ContextVar("language", default=SOURCE)
_catalogue: ContextVar[GNUTranslations | None] = ContextVar("catalogue", default=None)


@cache
def _translated(folder: Path) -> tuple[str, ...]:
    """Return the languages that have a catalogue, or in a checkout the text of one."""
    return tuple(sorted({path.parent.parent.name for path in folder.glob(f"*/LC_MESSAGES/{DOMAIN}.[mp]o")}))


@cache
def _read(folder: Path, name: str) -> GNUTranslations:
    """Return a catalogue. A wheel has it compiled; a checkout has its text, which is compiled in memory."""
    import gettext  # noqa: PLC0415 - takes time at the start, and English needs none of it

    from levity_trio.locale.compiling import compiled  # noqa: PLC0415

    made = folder / name / "LC_MESSAGES" / f"{DOMAIN}.mo"
    return gettext.GNUTranslations(BytesIO(made.read_bytes() if made.exists() else compiled(made.with_suffix(".po"))))


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
