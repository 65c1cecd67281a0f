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

_STYLES: Final = {"": "FiraGO_Regular", "B": "FiraGO_Bold"}
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
                if not self._has(sign):
                    missing.setdefault(sign, text)
        return missing

    def printable(self, text: str) -> str:
        """Return a text whose missing characters are named by their code points, such as
        [U+1F600]."""
        visible = (sign for sign in text if ord(sign) in self.covered or not _is_invisible(sign))
        return "".join(sign if self._has(sign) else _stand_in(sign) for sign in visible)

    def _has(self, sign: str) -> bool:
        return ord(sign) in self.covered or sign.isspace() or _is_invisible(sign)


@contextmanager
def open_fonts(path: Path | None) -> Iterator[Fonts]:
    """Give the owner's font, or the default without one. Raises DocumentProblem if it cannot be
    used."""
    if path is not None:
        yield Fonts(path, path, _characters(path))
        return
    with TemporaryDirectory(prefix="levity-font-") as folder:  # fpdf2 reads fonts from files only
        files = [_unpacked(Path(folder), name) for name in _STYLES.values()]
        yield Fonts(files[0], files[1], _characters(files[0]) & _characters(files[1]))


def _unpacked(folder: Path, name: str) -> Path:
    path = folder / f"{name}.ttf"
    path.write_bytes(import_module(f"pymupdf_fonts.{name}").fontbuffer)
    return path


def _characters(path: Path) -> frozenset[int]:
    if path.suffix.lower() not in _SUFFIXES:
        raise DocumentProblem(Told("the font {1} must be a .ttf or .otf file", str(path)))
    try:
        with TTFont(path, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (OSError, TTLibError, KeyError, AssertionError) as problem:
        raise DocumentProblem(
            Told("the font {1} cannot be used: {2}", str(path), str(problem))
        ) from problem


def _is_invisible(sign: str) -> bool:
    """Whether a character only says how its neighbours are shown: marks of direction, joiners,
    variants."""
    return unicodedata.category(sign) == "Cf" or ord(sign) in _VARIATION_SELECTORS


def _stand_in(sign: str) -> str:
    return " " if sign.isspace() else f"[U+{ord(sign):04X}]"
