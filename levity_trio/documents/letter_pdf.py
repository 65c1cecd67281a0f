"""A letter with a log-in as a PDF, in the words of the page that shows it. Imported as pdf.py
is."""

from __future__ import annotations

from typing import Final

from levity_trio.billing.statement import Party
from levity_trio.documents.fonts import Fonts
from levity_trio.documents.paper import LogInLetter
from levity_trio.documents.pdf import QUIET, SUBJECT, PdfPages
from levity_trio.documents.qr import text_code
from levity_trio.documents.template import ENGLISH, tidy
from levity_trio.locale import _, language

# All lengths are in mm.
_PAPER: Final = "A4"
_SIDE: Final = 50.0
_GAP: Final = 4.0
_BODY = 11.0
_HEAD = 12.0
_TITLE = 15.0


def letter_pdf(letter: LogInLetter, fonts: Fonts) -> bytes:
    """Return the file."""
    title = _("Your log-in for charging at %(site)s", site=tidy(letter.site))
    paper = PdfPages(_PAPER, title, language(), fonts)
    try:
        paper.add_page()
        party = Party(name=letter.household, address=tuple(letter.address.splitlines()))
        paper.window(letter.sender, ENGLISH.in_window(party))

        # A long address pushes the rest down.
        paper.set_xy(paper.l_margin, max(SUBJECT, paper.get_y() + _GAP))
        paper.paragraph(title, _TITLE, bold=True, kind="H1")
        paper.ln(_GAP)
        purpose = _(
            "With your phone you start and stop a session, see what it costs, and get your "
            "statements."
        )
        paper.paragraph(purpose, _BODY)
        paper.ln(_GAP)
        _write_log_in(paper, letter)

        words = _(
            (
                "The code works once, until %(day)s. Then choose a password. Your name for the "
                "log-in is %(name)s."
            ),
            day=letter.until,
            name=tidy(letter.user),
        )
        warning = _("Anyone with this letter can log in as you. Give it to nobody else.")
        for text in (words, warning):
            paper.paragraph(text, _BODY)
            paper.ln(_GAP)
        return bytes(paper.output())
    finally:
        paper.close_fonts()


def _write_log_in(paper: PdfPages, letter: LogInLetter) -> None:
    """Write how to log in, beside a code that does it by itself."""
    top = paper.get_y()
    rows = text_code(letter.url)
    module = _SIDE / (len(rows) + 2 * QUIET)
    paper.code(rows, _("The link as a QR code"), paper.l_margin, top, module)

    beside = paper.l_margin + _SIDE + _GAP
    paper.set_xy(beside, top + _GAP)
    paper.paragraph(_("Scan the code, or enter the address"), _HEAD, bold=True, kind="H2")
    for text in (letter.page, _("and there the code"), letter.code):
        paper.ln(1)
        paper.set_x(beside)
        paper.paragraph(text, _BODY, bold=text == letter.code)
    below = max(paper.get_y(), top + _SIDE)
    paper.set_xy(paper.l_margin, below + _GAP)
