"""What there is to translate: `just catalogue de` writes it into the catalogue of a language.

A text that is new is added without a translation, and one that is gone is left out.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from levity_trio.locale import DOMAIN, FOLDER

PACKAGE_FOLDER: Final = Path(__file__).parent.parent / "levity_trio"

KEYWORDS: Final = {"_": None, "N_": None, "gettext": None, "_n": (1, 2)}
METHODS: Final = {".py": "python", ".html": "jinja2"}
OPTIONS: Final = {"trimmed": "true", "silent": "false", "extensions": "jinja2.ext.i18n"}


@cache
def extracted() -> Catalog:
    """Return a catalogue of all texts of the program, without translations and without lines, which change daily."""
    found = Catalog(domain=DOMAIN, project="levity-trio", fuzzy=False)
    for path in sorted(PACKAGE_FOLDER.rglob("*")):
        if path.suffix in METHODS and (path.suffix == ".html" or b"levity_trio.locale" in path.read_bytes()):
            with path.open("rb") as file:
                for _line, text, comments, context in extract(METHODS[path.suffix], file, KEYWORDS, (), OPTIONS):
                    found.add(text, None, [(str(path.relative_to(PACKAGE_FOLDER)), 0)], (), comments, context=context)
    return found


def update(language: str, folder: Path = FOLDER) -> Path:
    """Write the texts of the program into the catalogue of a language, and return its path."""
    path = folder / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    catalogue = Catalog(locale=language, domain=DOMAIN, project="levity-trio", fuzzy=False)
    if path.exists():
        with path.open("rb") as known:
            catalogue = read_po(known, locale=language, domain=DOMAIN)
    catalogue.update(extracted(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.revision_date = datetime.now(UTC)
    with path.open("wb") as made:
        write_po(made, catalogue, width=120, include_lineno=False, sort_by_file=True)
    return path


def invent(language: str, folder: Path) -> None:
    """Write the catalogue of a language that is English in angle quotation marks, so that whoever reads it sees it."""
    path = update(language, folder)
    with path.open("rb") as made:
        catalogue = read_po(made)
    for message in catalogue:
        if isinstance(message.id, str):
            message.string = f"«{message.id}»" if message.id else message.string
        else:
            message.string = tuple(f"«{text}»" for text in message.id)
    with path.open("wb") as file:
        write_po(file, catalogue)


if __name__ == "__main__":
    print(update(sys.argv[1]))
