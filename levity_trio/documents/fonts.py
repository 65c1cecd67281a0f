"""The font of a PDF, and what it lacks. Imported only by `making`, for PDFs.

The default is FiraGO (SIL Open Font License), which pymupdf-fonts brings: Latin with all accents,
Greek, Cyrillic, Arabic, Hebrew, Devanagari, Thai, Georgian; neither Chinese, Japanese and Korean
nor emoji. The owner may give a font file of his own instead; it then serves for bold text, too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from fontTools.ttLib import TTFont, TTLibError

from levity_trio.documents import DocumentProblem
from levity_trio.told import Told

_STYLES: Final = ("FiraGO_Regular", "FiraGO_Bold")
_SUFFIXES: Final = (".ttf", ".otf")
_VARIATION_SELECTORS: Final = range(0xFE00, 0xFE10)


class Fonts(NamedTuple):
    """Files of the regular and the bold font, and the characters that both have."""

    regular: Path
    bold: Path
    covered: frozenset[int]

    def missing(self, texts: Iterable[str]) -> dict[str, str]:
        """Return each character that it cannot print, with the first text that has it."""
        missing: dict[str, str] = {}
        for text in texts:
            for sign in text:
                if ord(sign) in self.covered or sign.isspace() or _is_invisible(sign):
                    continue
                missing.setdefault(sign, text)
        return missing

    def printable(self, text: str) -> str:
        """Return a text whose missing characters are named by their code points, such as
        [U+1F600]."""
        printable: list[str] = []
        for sign in text:
            if ord(sign) in self.covered or sign.isspace():
                printable.append(sign)
            elif not _is_invisible(sign):
                printable.append(f"[U+{ord(sign):04X}]")
        return "".join(printable)


@contextmanager
def open_fonts(path: Path | None) -> Iterator[Fonts]:
    """Give the owner's font, or the default without one. Raises DocumentProblem if it cannot be
    used."""
    if path is not None:
        yield Fonts(path, path, _characters(path))
        return
    # fpdf2 reads fonts from files only.
    with TemporaryDirectory(prefix="levity-font-") as folder:
        files: list[Path] = []
        for name in _STYLES:
            file = Path(folder) / f"{name}.ttf"
            file.write_bytes(import_module(f"pymupdf_fonts.{name}").fontbuffer)
            files.append(file)
        regular, bold = files
        yield Fonts(regular, bold, _characters(regular) & _characters(bold))


def _characters(path: Path) -> frozenset[int]:
    if path.suffix.lower() not in _SUFFIXES:
        raise DocumentProblem(Told("the font {1} must be a .ttf or .otf file", str(path)))
    try:
        with TTFont(path, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (OSError, TTLibError, KeyError, AssertionError) as problem:
        why = Told("the font {1} cannot be used: {2}", str(path), str(problem))
        raise DocumentProblem(why) from problem


def _is_invisible(sign: str) -> bool:
    """Whether a character only says how its neighbours are shown: marks of direction, joiners,
    variants."""
    return unicodedata.category(sign) == "Cf" or ord(sign) in _VARIATION_SELECTORS
