"""The sheet: all texts of a document in their order, and its logo. HTML and PDF are both made from
it.

The sheet of a closed statement is stored as JSON, and later versions of this program read it. So a
new field needs a default.
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
class TableColumn:
    """A column's head, its share of the width, and whether it holds numbers (aligned to the
    right)."""

    head: str
    share: int
    is_number: bool = False


@record
class TableRow:
    """A row of a table, and what stands beneath it over the whole width."""

    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Table(msgspec.Struct, frozen=True, kw_only=True, tag="Table"):
    """A table; its last row may be a sum."""

    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[TableRow, ...]
    total: TableRow | None = None
    is_sessions: bool = False
    """Whether its columns begin with number, date, place, times, kWh: a phone shows them in two
    lines."""


# Sheets that were kept name this class "Facts".
class LabelledValues(msgspec.Struct, frozen=True, kw_only=True, tag="Facts"):
    """Labels and their values, beside a QR code if there is one."""

    title: str
    pairs: tuple[tuple[str, str], ...]
    is_number: bool = False
    """Whether the values are amounts, which stand below each other."""
    code: str = ""
    """The text that is in the QR code."""
    code_label: str = ""
    """What stands beneath the code."""


@record
class Sheet:
    """A whole document."""

    language: str
    paper: str
    """The size of its pages, such as A4."""
    mark: str | None = None
    """A word on every page, such as "Draft"."""
    title: str
    sender: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    logo: bytes | None = None
    label: str = ""
    """What `figure` is, such as "Total"."""
    figure: str = ""
    """The one large number."""
    remark: str
    """What the reader is to do, beneath the figure."""
    blocks: tuple[Table | LabelledValues, ...]
    small: tuple[str, ...]
    """The small print at the end, a paragraph each."""
    page_words: str
    """The foot of a page; it has the fields {page} and {pages}."""
    made_on: datetime | None = None
    """The beginning of the day of closing; a draft has none."""
    reference: str = ""
    """What a household writes on its payment."""
    csv: tuple[str, str] = (",", ".")
    """The separator and the decimal sign of a file for spreadsheets."""
    sender_line: str = ""
    """The sender in one small line above the recipient, in the window of an envelope."""
    facts: tuple[tuple[str, str], ...] = ()
    """Number, date and the like at the head, with their labels."""

    def texts(self) -> tuple[str, ...]:
        """Return all its texts in reading order."""
        texts = [self.mark or "", self.sender_line, *self.recipient, *self.sender]
        for fact in self.facts:
            texts += fact
        texts += [self.title, self.label, self.figure, self.remark]
        for block in self.blocks:
            texts.append(block.title)
            if isinstance(block, LabelledValues):
                for label, value in block.pairs:
                    texts += [label, value]
                texts.append(block.code_label)
                continue
            texts += [column.head for column in block.columns]
            total = [block.total] if block.total else []
            for row in [*block.rows, *total]:
                texts += [*row.cells, *row.notes]
        texts += self.small
        return tuple(filter(None, texts))


def kept(sheet: Sheet) -> str:
    """Return a sheet as it is stored, without the logo, which the biller keeps."""
    return msgspec.json.encode(replace(sheet, logo=None)).decode()


def of_kept(text: str, digest: str, logo: bytes | None) -> Sheet:
    """Return the sheet of a statement that was stored."""
    # The digest covers this text, so a sign that no name contains stands in its place.
    whole = text.replace(NO_DIGEST, in_groups(digest))
    sheet = msgspec.json.decode(whole, type=Sheet)
    return replace(sheet, logo=logo)


def media_type(logo: bytes) -> str:
    """Return the type of a logo by its first bytes. Raises DocumentProblem if it is too large or of
    another kind."""
    size = len(logo)
    if size > LARGEST_LOGO_BYTES:
        problem = Told("the logo has {1} bytes; it may have {2}", size, LARGEST_LOGO_BYTES)
        raise DocumentProblem(problem)
    for beginning, name in _BEGINNINGS.items():
        if logo.startswith(beginning):
            return name
    raise DocumentProblem(Told("the logo is neither a PNG nor a JPEG file"))
