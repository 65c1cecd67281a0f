"""A sheet as a PDF. Imported only in the process that makes PDFs: fpdf2 takes 49 MB.

The same closed statement gives the same bytes: the day of the file is the day of closing. It is
tagged: a screen reader follows its headings, its paragraphs and the cells of its tables. Letters
are shaped by HarfBuzz, so that Arabic and Hebrew names read as they should, and figures have one
width.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue, XPos, YPos
from fpdf.fonts import TTFFont
from fpdf.prefs import ViewerPreferences
from fpdf.structure_tree import StructElem
from PIL import Image, UnidentifiedImageError

from levity_trio.documents import DocumentProblem
from levity_trio.documents.fonts import Fonts
from levity_trio.documents.qr import payment_modules
from levity_trio.documents.sheet import LabelledValues, Sheet, Table, TableRow, media_type
from levity_trio.told import Told

_FAMILY: Final = "sheet"
_MARGIN: Final = 16.0  # all lengths are in mm
_FOOT: Final = 15.0
_GAP: Final = 1.5
_PADDING: Final = 0.4
"""Above and below the text of a row."""
_LINE: Final = 0.42
"""Height of a line for each point of its size."""
_BODY = 9.0
_SMALL = 7.5
_TITLE = 14.0
_LARGE = 24.0
_HEAD = 11.0
_SOFT = 80
_INK = 0
_LOGO_WIDTH, _LOGO_HEIGHT = 45.0, 18.0
_LARGEST_LOGO: Final = 4_000_000  # pixels
_MODULE = 0.7
QUIET = 4
_PAGES: Final = "\ufdd0" * 3
"""These noncharacters, which no name contains, stand for the number of pages (three digits) until
that is known."""
_FEATURES: Final = {"tnum": True, "kern": True, "calt": False}
"""FiraGO's contextual alternates tear figures and letters apart, as in digests."""
_LABEL_SHARE: Final = 0.35
_AMOUNT_LABEL_SHARE: Final = 0.7
_WINDOW_LEFT, _WINDOW_WIDTH = 25.0, 75.0
_ADDRESS_TOP, _ADDRESS_BOTTOM = 62.7, 90.0
"""Where the window of an envelope shows the recipient: DIN 5008, form B. The field begins 20 mm
from the left and 45 mm from the top, and is 85 × 45 mm. Its lower part is for the address."""
SUBJECT: Final = 98.5
"""What follows the window begins here."""
_BESIDE = 125.0
"""Where the block beside the window begins."""
_SENDER_LINE = 6.5
_FACT_LABEL = 31.0
_WINDOW_GAP = 6.0
_HEADS: Final = 16.0
"""A table's title and the heads of its columns, in two lines."""


def pdf(sheet: Sheet, fonts: Fonts) -> bytes:
    """Return the file. Raises DocumentProblem if the logo cannot be used."""
    paper = _SheetPages(sheet, fonts)
    try:
        paper.add_page()
        _write_head(paper, sheet)
        for block in sheet.blocks:
            if isinstance(block, LabelledValues):
                _write_values(paper, block)
            else:
                _write_table(paper, block)
        paper.ln(4)
        for line in sheet.small:
            paper.paragraph(line, _SMALL, colour=_SOFT)
        return bytes(paper.output())
    finally:
        paper.close_fonts()


class PdfPages(FPDF):
    """Pages without anything on them, in the fonts of documents."""

    def __init__(
        self, paper: str, title: str, language: str, fonts: Fonts, made_on: datetime | None = None
    ) -> None:
        """What has no day of its own has been made now."""
        super().__init__(format=paper.lower())
        self._fonts = fonts
        self._divided: dict[tuple[str, float, float, bool], list[str]] = {}
        self.c_margin = 0
        if made_on is not None:
            self.set_creation_date(made_on)
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self._tags: Counter[int] = Counter()
        self._is_beside = False
        self.set_margins(_MARGIN, _MARGIN)
        self.set_auto_page_break(True, _FOOT)
        self.add_font(_FAMILY, "", fonts.regular)
        self.add_font(_FAMILY, "B", fonts.bold)
        self.set_font(_FAMILY, size=_BODY)
        self.set_text_shaping(True, features=_FEATURES, direction="ltr")
        self.set_title(title)
        self.set_lang(language)

    @contextmanager
    def tagged(
        self, kind: str, words: str | None = None, begun: StructElem | None = None
    ) -> Iterator[StructElem | None]:
        """Make what is written an element of the structure (P, H1, Figure), or the next part of one
        on this page.

        `words` describe a picture. fpdf2 itself tags pictures only.
        """
        if self._is_beside:
            yield None
            return
        number = self._tags[self.page]
        self._tags[self.page] += 1
        if begun is not None and begun.page_number() == self.page:
            # A reader finds the element of each marked part in the tree of its page, in the order
            # of the numbers.
            begun.k.append(number)
            tree = self.struct_builder.struct_tree_root.parent_tree
            page = self.struct_builder.spid_per_page_number[self.page]
            tree.nums[page].append(begun)
        else:
            # An element belongs to one page: on the next one, a paragraph begins anew.
            begun = self._add_marked_content(struct_type=f"/{kind}", mcid=number, alt_text=words)
        self._out(f"/{kind} <</MCID {number}>> BDC")
        yield begun
        self._out("EMC")

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Leave what is written out of the structure: lines, and what stands on every page."""
        is_inner, self._is_beside = self._is_beside, True
        if not is_inner:
            self._out("/Artifact BMC")
        yield
        self._is_beside = is_inner
        if not is_inner:
            self._out("EMC")

    def close_fonts(self) -> None:
        """Close the font files, of which each sheet opens its own."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def style(self, size: float, bold: bool = False, colour: int = _INK) -> None:
        """Set how the next text looks."""
        self.set_font(_FAMILY, "B" if bold else "", size)
        self.set_text_color(colour)

    def paragraph(
        self,
        text: str,
        size: float = _BODY,
        *,
        width: float = 0,
        bold: bool = False,
        colour: int = _INK,
        align: Align = Align.L,
        kind: str = "P",
    ) -> None:
        """Write a text over as many lines as it needs; afterwards stand beneath its first
        letter."""
        left, height = self.get_x(), size * _LINE
        width = width or self.w - self.r_margin - left
        element = None
        for line in self.lines(text, width, size, bold):
            self.make_room(height)
            self.style(size, bold, colour)
            self.set_x(left)
            with self.tagged(kind, begun=element) as element:
                self.cell(width, height, line, align=align, new_x=XPos.LEFT, new_y=YPos.NEXT)

    def lines(self, text: str, width: float, size: float, bold: bool = False) -> list[str]:
        """Return a text divided into lines."""
        key = text, width, size, bold
        if key in self._divided:
            return self._divided[key]
        self.style(size, bold)
        printable = self._fonts.printable(text)
        lines = [printable]
        if self.get_string_width(printable) > width:
            output = MethodReturnValue.LINES
            divided = self.multi_cell(width, text=printable, align="L", dry_run=True, output=output)
            lines = list(divided) if isinstance(divided, list) else []
        # Dividing takes most of the time, and heights ask for it first.
        self._divided[key] = lines
        return lines

    def window(self, sender: str, recipient: Sequence[str]) -> None:
        """Write to whom it goes where the window of an envelope shows it, below its sender in one
        small line."""
        left, width = _WINDOW_LEFT, _WINDOW_WIDTH
        lines = len(self.lines(sender, width, _SENDER_LINE)) if sender else 0
        self.set_xy(left, _ADDRESS_TOP - 1 - lines * _SENDER_LINE * _LINE)
        if sender:
            self.paragraph(sender, _SENDER_LINE, width=width, colour=_SOFT)

        # A long address is written smaller. What is too long even so goes on below the window.
        for size in (_HEAD, _BODY, _SMALL):
            count = sum(len(self.lines(line, width, size, True)) for line in recipient)
            if count * size * _LINE <= _ADDRESS_BOTTOM - _ADDRESS_TOP:
                break
        self.set_xy(left, _ADDRESS_TOP)
        for index, line in enumerate(recipient):
            self.paragraph(line, size, width=width, bold=index == 0)

    def rule(self, width: float, grey: int = 0) -> None:
        """Draw a line over the whole width."""
        self.set_line_width(width)
        self.set_draw_color(grey)
        with self.beside():
            y = self.get_y()
            self.line(self.l_margin, y, self.w - self.r_margin, y)
        self.set_draw_color(0)

    def code(self, rows: Sequence[str], words: str, left: float, top: float, module: float) -> None:
        """Draw a QR code, described by these words; its quiet zone begins at this place."""
        self.set_fill_color(0)
        with self.tagged("Figure", words):
            for row, modules in enumerate(rows):
                for column, colour in enumerate(modules):
                    if colour == "1":
                        x = left + (column + QUIET) * module
                        y = top + (row + QUIET) * module
                        self.rect(x, y, module, module, style="F")

    def make_room(self, height: float) -> bool:
        """Begin a new page where less than this height is left; return whether it did."""
        if not self.will_page_break(height):
            return False
        self.add_page()
        return True


class _SheetPages(PdfPages):
    """Pages with the mark of a draft at the head, and their number at the foot."""

    def __init__(self, sheet: Sheet, fonts: Fonts) -> None:
        super().__init__(sheet.paper, sheet.title, sheet.language, fonts, sheet.made_on)
        self._sheet = sheet
        self.alias_nb_pages(_PAGES)

    def header(self) -> None:
        with self.beside():
            if self._sheet.mark:
                self.rule(0.5)
                self.ln(1.5)
                self.paragraph(self._sheet.mark, _HEAD, bold=True, align=Align.C)
                self.ln(1.5)
                self.rule(0.5)
                self.ln(3)
            if self.page_no() > 1:
                # Pages may be mixed up.
                whose = " · ".join((self._sheet.title, *self._sheet.recipient[:1]))
                self.paragraph(whose, _SMALL, colour=_SOFT)
                self.ln(2)

    def footer(self) -> None:
        self.set_y(-_FOOT + 4)
        words = self._sheet.page_words.format(page=self.page_no(), pages=_PAGES)
        # No font has what stands for the number of pages.
        parts = [self._fonts.printable(part) for part in words.split(_PAGES)]
        text = _PAGES.join(parts)
        self.style(_SMALL, colour=_SOFT)
        with self.beside():
            self.cell(0, _SMALL * _LINE, text, align=Align.R)


def _write_head(paper: _SheetPages, sheet: Sheet) -> None:
    """Write the recipient into the window, the sender and the facts beside it, and beneath both
    what is asked."""
    top, below = paper.get_y(), 0.0
    if sheet.recipient:
        paper.window(sheet.sender_line, sheet.recipient)
        below = max(paper.get_y() + _WINDOW_GAP, SUBJECT)
    # An address may be longer than a page: then the rest follows beneath.
    left = paper.l_margin
    if paper.page == 1:
        paper.set_xy(_BESIDE, top)
        left = _BESIDE
    page = paper.page
    _write_sender(paper, sheet, left)
    below = max(below, paper.get_y() + _WINDOW_GAP) if paper.page == page else paper.get_y()

    paper.set_xy(paper.l_margin, below)
    page = paper.page
    paper.paragraph(sheet.title, _TITLE, width=_BESIDE - paper.l_margin - 4, bold=True, kind="H1")
    title_ends = paper.get_y()
    beside = paper.l_margin
    if paper.page == page:
        beside = _BESIDE
        paper.set_y(below)
    paper.set_x(beside)
    if sheet.figure:
        paper.paragraph(sheet.label, _BODY, colour=_SOFT)
        paper.paragraph(sheet.figure, _LARGE, bold=True)
    if sheet.remark:
        paper.paragraph(sheet.remark)
    paper.set_xy(paper.l_margin, max(title_ends, paper.get_y()))


def _write_sender(paper: _SheetPages, sheet: Sheet, left: float) -> None:
    """Write logo, sender and facts into a column that begins here."""
    if sheet.logo:
        width, height = check_logo(sheet.logo)
        scale = min(_LOGO_WIDTH / width, _LOGO_HEIGHT / height)
        with paper.tagged("Figure", sheet.sender[0]):
            paper.image(io.BytesIO(sheet.logo), x=left, w=width * scale, h=height * scale)
        paper.ln(2)
        paper.set_x(left)
    for index, line in enumerate(sheet.sender):
        is_name = index == 0
        paper.paragraph(line, _SMALL, bold=is_name, colour=_INK if is_name else _SOFT)
    paper.set_xy(left, paper.get_y() + 2)
    for label, value in sheet.facts:
        paper.make_room(_BODY * _LINE)
        top = paper.get_y()
        paper.set_x(left)
        paper.paragraph(label, _BODY, width=_FACT_LABEL - 1, colour=_SOFT)
        ends = paper.get_y()
        paper.set_xy(left + _FACT_LABEL, top)
        paper.paragraph(value, _BODY)
        paper.set_xy(left, max(ends, paper.get_y()))


def check_logo(logo: bytes) -> tuple[int, int]:
    """Return the width and height of a logo in pixels. Raises DocumentProblem if it cannot be
    used."""
    media_type(logo)
    most = _LARGEST_LOGO
    try:
        with Image.open(io.BytesIO(logo), formats=("PNG", "JPEG")) as image:
            width, height = image.size
            # The head says the size: a picture that is too large is never unpacked.
            if width * height > most:
                problem = Told(
                    "the logo has {1} × {2} pixels; it may have {3} in all", width, height, most
                )
                raise DocumentProblem(problem)
            image.load()
    except (
        Image.DecompressionBombError,
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
    ) as problem:
        raise DocumentProblem(Told("the logo cannot be read: {1}", str(problem))) from problem
    return width, height


def _write_heading(paper: _SheetPages, text: str, room: float) -> None:
    """Write the heading of a block on the page where the block has room to begin."""
    paper.ln(4)
    paper.make_room(room)
    paper.paragraph(text, _HEAD, bold=True, kind="H2")
    paper.ln(1)


def _write_values(paper: _SheetPages, values: LabelledValues) -> None:
    """Write labels and their values, beside their code if there is one."""
    code = payment_modules(values.code)
    height = len(values.pairs) * 6.0
    width = paper.epw
    side = 0.0
    if code:
        side = (len(code) + 2 * QUIET) * _MODULE
        height = max(height, side + 8)
        width -= side + 6
    _write_heading(paper, values.title, height + 12)

    top, page = paper.get_y(), paper.page
    share = _AMOUNT_LABEL_SHARE if values.is_number else _LABEL_SHARE
    widths = [width * share, width * (1 - share)]
    grid = _Grid(paper, widths, [False, values.is_number])
    for pair in values.pairs:
        grid.write(TableRow(cells=pair), bold_last=True)

    # Values that are longer than the page leave no place for the code beside them.
    if code and paper.page == page:
        left, end = paper.w - paper.r_margin - side, paper.get_y()
        paper.code(code, values.code_label, left, top, _MODULE)
        paper.set_xy(left, top + side - 1)
        paper.paragraph(values.code_label, _SMALL, width=side, align=Align.C)
        paper.set_xy(paper.l_margin, max(end, top + side + 3))


def _write_table(paper: _SheetPages, table: Table) -> None:
    """Write a table with its notes; its heads stand again on each further page."""
    shares = sum(column.share for column in table.columns)
    widths = [paper.epw * column.share / shares for column in table.columns]
    grid = _Grid(paper, widths, [column.is_number for column in table.columns])
    heads = TableRow(cells=tuple(column.head for column in table.columns))

    # A heading stays with the first row.
    room = _HEADS
    if table.rows:
        room += grid.height(table.rows[0])
    _write_heading(paper, table.title, room)
    grid.write(heads, size=_SMALL, colour=_SOFT)
    for row in table.rows:
        if paper.make_room(grid.height(row)):
            grid.write(heads, size=_SMALL, colour=_SOFT)
        paper.rule(0.1, 170)
        # A table without positions has one row, whose note says so.
        if any(row.cells):
            grid.write(row)
        for note in row.notes:
            paper.set_x(paper.l_margin + 4)
            paper.paragraph(note, _SMALL, colour=_SOFT)
        if row.notes:
            paper.set_xy(paper.l_margin, paper.get_y() + 1)
    if table.total:
        paper.make_room(grid.height(table.total))
        paper.rule(0.4)
        grid.write(table.total, bold=True)


class _Grid:
    """Columns of these widths on a paper; those of numbers are aligned to the right."""

    def __init__(self, paper: _SheetPages, widths: list[float], numbers: list[bool]) -> None:
        self._paper = paper
        self._widths = widths
        self._aligns = [Align.R if is_number else Align.L for is_number in numbers]

    def height(self, row: TableRow) -> float:
        """Return the height of a row with its notes."""
        paper = self._paper
        lines = 0
        for text, width in zip(row.cells, self._widths, strict=True):
            lines = max(lines, len(paper.lines(text, width - _GAP, _BODY)))
        notes = 0
        for note in row.notes:
            notes += len(paper.lines(note, paper.epw - 4, _SMALL))
        return lines * _BODY * _LINE + notes * _SMALL * _LINE + 2 * _PADDING + 1.6

    def write(
        self,
        row: TableRow,
        *,
        size: float = _BODY,
        bold: bool = False,
        bold_last: bool = False,
        colour: int = _INK,
    ) -> None:
        """Write the cells of a row, line by line: a row higher than a page goes on over the next
        one."""
        paper = self._paper
        height = size * _LINE
        last = len(row.cells) - 1
        columns: list[tuple[float, bool, list[str]]] = []
        for column, text in enumerate(row.cells):
            # The last column ends at the margin, and needs no gap behind it.
            width = self._widths[column] - (0 if column == last else _GAP)
            is_bold = bold or (bold_last and column == last)
            columns.append((width, is_bold, paper.lines(text, width, size, is_bold)))

        paper.set_y(paper.get_y() + _PADDING)
        elements: list[StructElem | None] = [None] * len(columns)
        for index in range(max(len(lines) for _width, _is_bold, lines in columns)):
            paper.make_room(height)
            top, left = paper.get_y(), paper.l_margin
            for column, (width, is_bold, lines) in enumerate(columns):
                if index < len(lines) and lines[index]:
                    paper.style(size, is_bold, colour)
                    paper.set_xy(left, top)
                    with paper.tagged("P", begun=elements[column]) as elements[column]:
                        paper.cell(width, height, lines[index], align=self._aligns[column])
                left += self._widths[column]
            paper.set_xy(paper.l_margin, top + height)
        paper.set_y(paper.get_y() + _PADDING)
