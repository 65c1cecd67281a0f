"""What documents are made of, and in which forms: all that the server and the process that makes them both import."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from levity_trio.billing.statement import Statement


class Form(StrEnum):
    """The forms of a document. A covering sheet is HTML or PDF, and so are codes."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    JSON = "json"


class Paper(NamedTuple):
    """A statement, or with `is_cover` the covering sheet of several, in the order of their numbers.

    `templates` are texts of TOML files: the first counts, or, if this program cannot use it any longer, the next; None
    is the one of this program.
    """

    statements: tuple[Statement, ...]
    templates: tuple[str | None, ...] = (None,)
    is_cover: bool = False

    @property
    def first(self) -> Statement:
        return self.statements[0]
