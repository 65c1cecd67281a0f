"""What people read, in their language. English is the source; the catalogue of a language has its
translations.

A request has its language, so texts in tables of modules are marked with `N_`, and translated where
they are shown. The rooms below the pages make texts as data (levity_trio.told), which `texts.said`
translates where they are shown. The log and the answers of the API are English. `just catalogue de`
writes what there is to translate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from levity_trio.told import N_ as N_

if TYPE_CHECKING:
    from gettext import GNUTranslations

SOURCE: Final = "en"
FOLDER: Final = Path(__file__).parent
"""Has a folder for each language, as gettext wants it: de/LC_MESSAGES/levity_trio.po."""
DOMAIN: Final = "levity_trio"


def _(text: str, /, **values: object) -> str:
    """Return a text in the language of the request, with its values: `_("%(count)s sessions",
    count=2)`."""
    catalogue = _catalogue.get()
    # "" would be the head of the catalogue
    said = text if catalogue is None or not text else catalogue.gettext(text)
    return said % values if values else said


def _p(context: str, text: str, /, **values: object) -> str:
    """Return a text that means something else elsewhere: `_p("number", "No.")` heads a column."""
    catalogue = _catalogue.get()
    said = text if catalogue is None else catalogue.pgettext(context, text)
    return said % values if values else said


def _n(one: str, many: str, number: int, /, **values: object) -> str:
    """Return the text for a number, which stands in it as `%(num)s`. Languages have other plurals
    than English."""
    catalogue = _catalogue.get()
    said = (
        (one if number == 1 else many)
        if catalogue is None
        else catalogue.ngettext(one, many, number)
    )
    return said % {"num": number, **values}


def language() -> str:
    """Return the language of the request."""
    return _language.get()


def of_reader() -> str | None:
    """Return the language of the request for papers, None for English: a program speaks that,
    too."""
    return language() if language() in _translated(FOLDER) else None


def catalogue() -> GNUTranslations | None:
    """Return the catalogue of the request, None for English."""
    return _catalogue.get()


def languages(folder: Path = FOLDER) -> Sequence[str]:
    """Return the languages that people may read, the source first."""
    return (SOURCE, *_translated(folder))


@contextmanager
def speaking(name: str, folder: Path = FOLDER) -> Iterator[None]:
    """Let what runs inside the block, also in threads and tasks that it starts, speak a
    language."""
    spoken, used = (
        _language.set(name),
        _catalogue.set(None if name == SOURCE else catalogue_of(name, folder)),
    )
    try:
        yield
    finally:
        _catalogue.reset(used)
        _language.reset(spoken)


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Let numbers, days and money inside the block be those of a language, while the words stay as
    they are."""
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
    return tuple(
        sorted({path.parent.parent.name for path in folder.glob(f"*/LC_MESSAGES/{DOMAIN}.[mp]o")})
    )


@cache
def catalogue_of(name: str, folder: Path) -> GNUTranslations:
    """Return a catalogue. A wheel has it compiled; a checkout has its text, which is compiled in
    memory."""
    import gettext  # noqa: PLC0415 - takes time at the start, and English needs none of it

    from levity_trio.locale.compiling import compiled  # noqa: PLC0415

    made = folder / name / "LC_MESSAGES" / f"{DOMAIN}.mo"
    return gettext.GNUTranslations(
        BytesIO(made.read_bytes() if made.exists() else compiled(made.with_suffix(".po")))
    )
