"""A letter with a log-in as a PDF, in the words of the page that shows it. Imported as pdf.py
is."""

from __future__ import annotations

from typing import Final

from levity_trio.documents.fonts import Fonts
from levity_trio.documents.paper import Letter
from levity_trio.documents.pdf import QUIET, Canvas
from levity_trio.documents.qr import text_code
from levity_trio.documents.template import tidy
from levity_trio.locale import _, language

_PAPER: Final = "A4"
# all lengths are in mm: a window envelope shows the address
_ADDRESS, _SUBJECT, _SIDE = (
    45.0,
    100.0,
    50.0,
)
_GAP: Final = 4.0
_BODY, _HEAD, _TITLE = 11.0, 12.0, 15.0


def letter_pdf(letter: Letter, fonts: Fonts) -> bytes:
    """Return the file."""
    title = _("Your log-in for charging at %(site)s", site=tidy(letter.site))
    paper = Canvas(_PAPER, title, language(), fonts)
    try:
        paper.add_page()
        paper.set_y(_ADDRESS)
        for line in (letter.household, *letter.address.splitlines()):
            paper.paragraph(tidy(line), _BODY)
        paper.set_y(max(_SUBJECT, paper.get_y() + _GAP))
        paper.paragraph(title, _TITLE, bold=True, kind="H1")
        paper.ln(_GAP)
        paper.paragraph(
            _(
                "With your phone you start and stop a session, see what it costs, and get your "
                "statements."
            ),
            _BODY,
        )
        paper.ln(_GAP)
        _code(paper, letter)
        words = _(
            (
                "The code works once, until %(day)s. Then choose a password. Your name for the "
                "log-in is %(name)s."
            ),
            day=letter.until,
            name=tidy(letter.user),
        )
        for text in (
            words,
            _("Anyone with this letter can log in as you. Give it to nobody else."),
        ):
            paper.paragraph(text, _BODY)
            paper.ln(_GAP)
        return bytes(paper.output())
    finally:
        paper.close_fonts()


def _code(paper: Canvas, letter: Letter) -> None:
    """Write how to log in, beside a code that does it by itself."""
    rows, top = text_code(letter.url), paper.get_y()
    paper.code(
        rows, _("The link as a QR code"), paper.l_margin, top, _SIDE / (len(rows) + 2 * QUIET)
    )
    paper.set_xy(paper.l_margin + _SIDE + _GAP, top + _GAP)
    paper.paragraph(_("Scan the code, or enter the address"), _HEAD, bold=True, kind="H2")
    for text, is_bold in (
        (letter.page, False),
        (_("and there the code"), False),
        (letter.code, True),
    ):
        paper.ln(1)
        paper.set_x(paper.l_margin + _SIDE + _GAP)
        paper.paragraph(text, _BODY, bold=is_bold)
    paper.set_xy(paper.l_margin, max(paper.get_y(), top + _SIDE) + _GAP)
