"""What documents are made of, and in which forms: all that the server and the process that makes them both import."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.billing.statement import Statement
from levity_trio.locale import N_, SOURCE
from levity_trio.records import record

WORDS: Final = N_("Scan to charge")
"""These words stand on each label."""


class Form(StrEnum):
    """The forms of a document. A covering sheet is HTML or PDF, and so are codes."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    JSON = "json"


class Paper(NamedTuple):
    """A statement, or with `is_cover` the covering sheet of several, in the order of their numbers.

    `templates` are texts of TOML files: the first counts, or, if this program cannot use it any longer, the next; None
    is the one of this program. One in another language than `language` does not count; None: the template says it.
    """

    statements: tuple[Statement, ...]
    templates: tuple[str | None, ...] = (None,)
    is_cover: bool = False
    language: str | None = None

    @property
    def first(self) -> Statement:
        return self.statements[0]


@record
class Label:
    """A label: the names of its site and of its charger, which connector ("" where there is one only), and its URL."""

    site: str
    charger: str
    connector: str
    url: str


@record(kw_only=False)
class CodeSheet:
    """The codes that are fixed at chargers: labels in the order in which they are printed, to be cut.

    A code only names a place; what may be done there, the page that it leads to asks.
    """

    labels: tuple[Label, ...]
    language: str = SOURCE
