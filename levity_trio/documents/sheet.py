"""What stands on a document, as texts in their order, and the logo: the one source of HTML and PDF.

That of a closed statement is kept as JSON, and later versions lay it out, too. They may add fields
with a default.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from levity_trio.billing.statement import NO_DIGEST, in_groups
from levity_trio.documents import DocumentProblem
from levity_trio.records import record
from levity_trio.told import Told

LARGEST_LOGO_BYTES: Final = 1_000_000
_BEGINNINGS: Final = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


@record
class Column:
    """A column's head, its share of the width, and whether it holds numbers (aligned to the
    right)."""

    head: str
    share: int
    is_number: bool = False


@record
class Row:
    """A row of a table, and what stands beneath it over the whole width."""

    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Table(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A table; its last row may be a sum."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None = None
    is_sessions: bool = False
    """Whether its columns begin with number, date, place, times, kWh: a phone shows them in two
    lines."""


class Facts(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Labels and their values, with a QR code beside them: what that says."""

    title: str
    pairs: tuple[tuple[str, str], ...]
    is_number: bool = False
    """Whether the values are amounts, which stand below each other."""
    code: str = ""
    code_label: str = ""


@record
class Sheet:
    """A whole document. `mark` stands on every page ("Draft"); `figure` is the one large number."""

    language: str
    paper: str
    mark: str | None
    title: str
    sender: tuple[str, ...]
    recipient: tuple[str, ...]
    logo: bytes | None
    label: str
    figure: str
    remark: str
    blocks: tuple[Table | Facts, ...]
    small: tuple[str, ...]
    page_words: str
    """This text has the fields {page} and {pages}."""
    made_on: datetime | None
    """The beginning of the day of closing; a draft has none."""
    reference: str = ""
    """What a household writes on its payment."""
    csv: tuple[str, str] = (",", ".")
    """The separator and the decimal sign of a file for spreadsheets."""

    def texts(self) -> tuple[str, ...]:
        """Return all its texts in reading order."""
        head = (
            self.mark or "",
            *self.sender,
            *self.recipient,
            self.title,
            self.label,
            self.figure,
            self.remark,
        )
        inner = [text for block in self.blocks for text in _texts(block)]
        return tuple(text for text in (*head, *inner, *self.small) if text)


def kept(sheet: Sheet) -> str:
    """Return a sheet as it is stored, without the logo, which the biller keeps."""
    return msgspec.json.encode(replace(sheet, logo=None)).decode()


def of_kept(text: str, digest: str, logo: bytes | None) -> Sheet:
    """Return the sheet of a statement that was stored."""
    sheet = msgspec.json.decode(text.replace(NO_DIGEST, in_groups(digest)), type=Sheet)
    return replace(sheet, logo=logo)


def _texts(block: Table | Facts) -> list[str]:
    if isinstance(block, Facts):
        return [block.title, *(text for pair in block.pairs for text in pair), block.code_label]
    rows = [*block.rows, *([block.total] if block.total else [])]
    heads = [column.head for column in block.columns]
    return [block.title, *heads, *(text for row in rows for text in (*row.cells, *row.notes))]


def media_type(logo: bytes) -> str:
    """Return the type of a logo by its first bytes. Raises DocumentProblem if it is too large or of
    another kind."""
    if len(logo) > LARGEST_LOGO_BYTES:
        raise DocumentProblem(
            Told("the logo has {1} bytes; it may have {2}", len(logo), LARGEST_LOGO_BYTES)
        )
    for beginning, name in _BEGINNINGS.items():
        if logo.startswith(beginning):
            return name
    raise DocumentProblem(Told("the logo is neither a PNG nor a JPEG file"))
