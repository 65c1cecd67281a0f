"""A sheet of codes as a PDF: eight labels on a page, with lines to cut along. Imported as pdf.py
is."""

from __future__ import annotations

from typing import Final

from levity_trio.documents.fonts import Fonts
from levity_trio.documents.paper import WORDS, CodeSheet, Label
from levity_trio.documents.pdf import QUIET, PdfPages
from levity_trio.documents.qr import text_code
from levity_trio.locale import N_, _, language

_PAPER = "A4"
_TITLE = N_("Codes for chargers")
_COLUMNS = 2
_ROWS = 4
# A label has this size; all lengths are in mm.
_WIDTH = 93.0
_HEIGHT = 66.0
_EDGE = 12.0
_PAD = 5.0
_SIDE: Final = 46.0
"""The side of a code with its quiet zone; a phone reads it from half a metre."""
_GREY = 110
_INK = 0
_SMALL = 9.0
_URL = 8.0
_BODY = 11.0
_NAME = 13.0
_LARGE = 18.0
_LINE: Final = 0.42
"""Height of a line for each point of its size."""
_MOST: Final = {_SMALL: 2, _URL: 3, _BODY: 1, _NAME: 4, _LARGE: 2}
"""A text of each size has so many lines at most. A longer one is cut, because a label does not
grow."""


def codes_pdf(sheet: CodeSheet, fonts: Fonts) -> bytes:
    """Return the file. Without labels it is an empty page."""
    paper = PdfPages(_PAPER, _(_TITLE), language(), fonts)
    paper.set_auto_page_break(False)
    try:
        paper.add_page()
        for number, label in enumerate(sheet.labels):
            place = number % (_COLUMNS * _ROWS)
            if number and not place:
                paper.add_page()
            row, column = divmod(place, _COLUMNS)
            _write_label(paper, label, _EDGE + column * _WIDTH, _EDGE + row * _HEIGHT)
        return bytes(paper.output())
    finally:
        paper.close_fonts()


def _write_label(paper: PdfPages, label: Label, left: float, top: float) -> None:
    """Write a label: its code on the left, names beside it, the URL beneath."""
    # The line to cut along.
    paper.set_line_width(0.1)
    paper.set_draw_color(170)
    with paper.beside():
        paper.rect(left, top, _WIDTH, _HEIGHT)

    rows = text_code(label.url)
    module = _SIDE / (len(rows) + 2 * QUIET)
    paper.code(rows, label.url, left + _PAD, top + _PAD, module)

    beside = left + _PAD + _SIDE + 3
    width = left + _WIDTH - _PAD - beside
    paper.set_xy(beside, top + _PAD + 2)
    _write(paper, label.site, _SMALL, width, colour=_GREY)
    name_lines = paper.lines(label.charger, width, _LARGE, bold=True)
    name_size = _LARGE if len(name_lines) <= _MOST[_LARGE] else _NAME
    _write(paper, label.charger, name_size, width, bold=True)
    _write(paper, label.connector, _BODY, width)

    # These words end where the code ends.
    paper.set_xy(beside, top + _PAD + _SIDE - 7)
    _write(paper, _(WORDS), _BODY, width, bold=True)

    paper.set_xy(left + _PAD + 1, top + _PAD + _SIDE + 2)
    _write(paper, label.url, _URL, _WIDTH - 2 * _PAD - 1, colour=_GREY)


def _write(
    paper: PdfPages, text: str, size: float, width: float, *, bold: bool = False, colour: int = _INK
) -> None:
    """Write a text, and stand beneath it."""
    left = paper.get_x()
    height = size * _LINE
    element = None
    for line in paper.lines(text, width, size, bold)[: _MOST[size]]:
        paper.style(size, bold, colour)
        structure = paper.tagged("P", begun=element) if line else paper.beside()
        with structure as element:
            paper.cell(width, height, line)
        paper.set_xy(left, paper.get_y() + height)
