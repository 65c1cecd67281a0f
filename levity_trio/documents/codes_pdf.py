"""A sheet of codes as a PDF: eight labels on a page, with lines to cut along. Imported as pdf.py
is."""

from __future__ import annotations

from typing import Final

from levity_trio.documents.fonts import Fonts
from levity_trio.documents.paper import WORDS, CodeSheet, Label
from levity_trio.documents.pdf import QUIET, Canvas
from levity_trio.documents.qr import text_code
from levity_trio.locale import N_, _, language

_PAPER, _TITLE = "A4", N_("Codes for chargers")
_COLUMNS, _ROWS = 2, 4
_WIDTH, _HEIGHT = 93.0, 66.0  # of a label; all lengths are in mm
_EDGE, _PAD = 12.0, 5.0
_SIDE: Final = 46.0
"""The side of a code with its quiet zone; a phone reads it from half a metre."""
_GREY, _INK = 110, 0
_SMALL, _URL, _BODY, _NAME, _LARGE = 9.0, 8.0, 11.0, 13.0, 18.0
_LINE: Final = 0.42
"""Height of a line for each point of its size."""
_MOST: Final = {_SMALL: 2, _URL: 3, _BODY: 1, _NAME: 4, _LARGE: 2}
"""A text of each size has so many lines at most. A longer one is cut, because a label does not
grow."""


def codes_pdf(sheet: CodeSheet, fonts: Fonts) -> bytes:
    """Return the file. Without labels it is an empty page."""
    paper = Canvas(_PAPER, _(_TITLE), language(), fonts)
    paper.set_auto_page_break(False)
    try:
        paper.add_page()
        for number, label in enumerate(sheet.labels):
            place = number % (_COLUMNS * _ROWS)
            if number and not place:
                paper.add_page()
            _label(
                paper, label, _EDGE + place % _COLUMNS * _WIDTH, _EDGE + place // _COLUMNS * _HEIGHT
            )
        return bytes(paper.output())
    finally:
        paper.close_fonts()


def _label(paper: Canvas, label: Label, left: float, top: float) -> None:
    paper.set_line_width(0.1)
    paper.set_draw_color(170)
    with paper.beside():
        paper.rect(left, top, _WIDTH, _HEIGHT)
    code = text_code(label.url)
    paper.code(code, label.url, left + _PAD, top + _PAD, _SIDE / (len(code) + 2 * QUIET))
    beside = left + _PAD + _SIDE + 3
    width = left + _WIDTH - _PAD - beside
    paper.set_xy(beside, top + _PAD + 2)
    _text(paper, label.site, _SMALL, width, colour=_GREY)
    is_short = len(paper.lines(label.charger, width, _LARGE, True)) <= _MOST[_LARGE]
    _text(paper, label.charger, _LARGE if is_short else _NAME, width, bold=True)
    _text(paper, label.connector, _BODY, width)
    paper.set_xy(beside, top + _PAD + _SIDE - 7)
    _text(paper, _(WORDS), _BODY, width, bold=True)
    paper.set_xy(left + _PAD + 1, top + _PAD + _SIDE + 2)
    _text(paper, label.url, _URL, _WIDTH - 2 * _PAD - 1, colour=_GREY)


def _text(
    paper: Canvas, text: str, size: float, width: float, *, bold: bool = False, colour: int = _INK
) -> None:
    """Write a text, and stand beneath it."""
    left, height = paper.get_x(), size * _LINE
    element = None
    for line in paper.lines(text, width, size, bold)[: _MOST[size]]:
        paper.style(size, bold, colour)
        with paper.tagged("P", begun=element) if line else paper.beside() as element:
            paper.cell(width, height, line)
        paper.set_xy(left, paper.get_y() + height)
