"""What documents are made of, and in which forms: all that the server and the process that makes
them both import."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.billing.car_sheet import CarSheet
from levity_trio.billing.statement import Statement
from levity_trio.documents.sheet import Sheet
from levity_trio.locale import N_, SOURCE
from levity_trio.records import record

WORDS: Final = N_("Scan to charge")
"""These words stand on each label."""
LONGEST_NAME_BYTES: Final = 120
"""Of a household in the name of a file, which has 255 bytes at most."""
_NOT_IN_NAMES: Final = frozenset('/\\:*?"<>|%;')
"""These signs cannot stand in the name of a file, somewhere."""
_UNUSABLE_CATEGORIES: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Nor can signs of these kinds, or they would order their text about."""


class DocumentForm(StrEnum):
    """The forms of a document. A covering sheet is HTML or PDF, and so are codes; a letter is a
    PDF."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    JSON = "json"
    QUARTERS = "quarters.csv"
    """The quarters of an hour of a statement that is billed by them."""


class Paper(NamedTuple):
    """A statement, or with `is_cover` the covering sheet of several, in the order of their numbers,
    all so far of a month that `is_open`.

    `templates` are texts of TOML files: the first counts, or, if this program cannot use it any
    longer, the next; None is the one of this program. One in another language than `language` does
    not count; None: the template says it. `sheet` is what was kept of a closed statement: that is
    printed, whatever the templates say by now.
    """

    statements: tuple[Statement, ...]
    templates: tuple[str | None, ...] = (None,)
    is_cover: bool = False
    is_open: bool = False
    language: str | None = None
    sheet: str | None = None

    @property
    def first(self) -> Statement:
        return self.statements[0]


class CarPaper(NamedTuple):
    """What a household tells an employer about its company car, in a language."""

    sheet: CarSheet
    language: str


class ReadyPaper(NamedTuple):
    """A sheet that is made already."""

    sheet: Sheet


@record
class Label:
    """A label: the names of its site and of its charger, which connector ("" where there is one
    only), and its URL."""

    site: str
    charger: str
    connector: str
    url: str


@record(kw_only=False)
class CodeSheet:
    """The codes that are fixed at chargers: labels in the order in which they are printed, to be
    cut.

    A code only names a place; what may be done there, the page that it leads to asks.
    """

    labels: tuple[Label, ...]
    language: str = SOURCE


@record
class LogInLetter:
    """A letter that logs the driver of a household in: to whom, the name for the log-in, the code,
    and where and until which day it is typed. `url` does that by itself. `sender` is one line."""

    household: str
    address: str
    site: str
    user: str
    code: str
    page: str
    url: str
    until: str
    language: str = SOURCE
    sender: str = ""


SheetPaper = Paper | CarPaper | ReadyPaper
"""What is printed as a Sheet."""
AnyPaper = SheetPaper | CodeSheet | LogInLetter


def name_of(statement: Statement) -> str:
    """Return the name of a statement's file without its ending. That of a closed one ends in its
    number."""
    name = statement.to.name if statement.to else f"household {statement.account}"
    number = statement.printed_number
    what = "draft" if number is None else f"statement {number.replace('/', '-')}"
    return file_name(f"{statement.month:%Y-%m}", name, what)


def file_name(month: str, household: str, what: str) -> str:
    """Return the name of a file without its ending, such as `2026-12 Flat 1 statement 7`.

    What a file's name cannot have becomes a space, and a long name of a household is cut.
    """
    usable = ""
    for sign in household:
        is_unusable = unicodedata.category(sign) in _UNUSABLE_CATEGORIES
        usable += " " if is_unusable or sign in _NOT_IN_NAMES else sign
    # The last letter may be cut in two, and is then left out.
    name = " ".join(usable.split())
    start = name.encode()[:LONGEST_NAME_BYTES]
    short = start.decode(errors="ignore").strip(" .")
    parts = (month, short, what)
    return " ".join(filter(None, parts))
