"""Makes documents of each form. Imported only in the process that makes them; only PDFs load what
they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

from levity_trio.billing.statement import Owner, Party
from levity_trio.documents import NotInstalled
from levity_trio.documents.car_paper import car_sheet
from levity_trio.documents.covering_sheet import covering_sheet
from levity_trio.documents.csv_file import csv_text, quarters_text
from levity_trio.documents.html import codes_html, html
from levity_trio.documents.json_file import json_bytes
from levity_trio.documents.paper import (
    AnyPaper,
    CarPaper,
    CodeSheet,
    DocumentForm,
    Paper,
    ReadyPaper,
    SheetPaper,
)
from levity_trio.documents.sheet import Sheet, of_kept
from levity_trio.documents.statement_sheet import statement_sheet, supplement_sheet
from levity_trio.documents.template import DocumentTemplate, chosen, known_language
from levity_trio.locale import speaking
from levity_trio.told import Told

Maker = Callable[[Any], object]
PACKAGES: Final = ("fpdf", "fontTools", "PIL", "pymupdf_fonts", "uharfbuzz")
"""What the extra `pdf` brings."""
_MISSING: Final = Told(
    "PDFs and logos need packages that are not installed: pip install '.[pdf]' in its source, "
    "or 'FILE.whl[pdf]' with its wheel"
)


@contextmanager
def open_maker(task: str, font: Path | None) -> Iterator[Maker]:
    """Give what makes papers in a form ("missing": what finds the characters that the font lacks;
    "logo": what looks at a logo). Raises DocumentProblem."""
    if task in _WITHOUT_FONTS:
        yield _WITHOUT_FONTS[DocumentForm(task)]
        return
    try:
        import pymupdf_fonts  # noqa: F401, PLC0415 - see above
        import uharfbuzz  # noqa: F401, PLC0415 - fpdf2 misses it only when it shapes

        from levity_trio.documents.codes_pdf import codes_pdf  # noqa: PLC0415
        from levity_trio.documents.fonts import open_fonts  # noqa: PLC0415
        from levity_trio.documents.letter_pdf import letter_pdf  # noqa: PLC0415
        from levity_trio.documents.pdf import check_logo, pdf  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in PACKAGES:
            raise NotInstalled(_MISSING) from None
        raise
    if task == "logo":
        yield check_logo
        return
    with open_fonts(font) as fonts:

        def make_pdf(paper: AnyPaper) -> bytes:
            if isinstance(paper, SheetPaper):
                return pdf(sheet_of(paper), fonts)
            with speaking(paper.language):
                if isinstance(paper, CodeSheet):
                    return codes_pdf(paper, fonts)
                return letter_pdf(paper, fonts)

        def find_missing(paper: Paper | str) -> dict[str, str]:
            if isinstance(paper, str):
                return fonts.missing((paper,))
            # A word of the template may be on no paper yet.
            words = _texts_in(_template(paper).values)
            return fonts.missing((*sheet_of(paper).texts(), *words))

        yield make_pdf if task == DocumentForm.PDF else find_missing


def sheet_of(paper: SheetPaper) -> Sheet:
    """Return what stands on a paper. Raises TemplateProblem."""
    if isinstance(paper, ReadyPaper):
        return paper.sheet
    if isinstance(paper, CarPaper):
        with speaking(paper.language):
            return car_sheet(paper)
    first = paper.first
    if paper.sheet is not None:
        return of_kept(paper.sheet, first.digest or "", first.owner.logo)
    template = _template(paper)
    with speaking(known_language(template.values["language"])):
        if paper.is_cover:
            return covering_sheet(paper.statements, template, is_open=paper.is_open)
        return statement_sheet(first, template)


def supplement_of(paper: Paper, owner: Owner, to: Party, day: date) -> Sheet:
    """Return what adds to the closed statements of a paper what they lacked. Raises
    TemplateProblem."""
    return supplement_sheet(paper.statements, owner, to, day, _template(paper))


def _html(paper: SheetPaper | CodeSheet) -> bytes:
    if isinstance(paper, SheetPaper):
        return html(sheet_of(paper)).encode()
    with speaking(paper.language):
        return codes_html(paper).encode()


def _csv(paper: Paper | CarPaper) -> bytes:
    sheet = sheet_of(paper)
    language = known_language(sheet.language)
    with speaking(language):
        if isinstance(paper, Paper):
            return csv_text(paper.first, *sheet.csv).encode()
        car = paper.sheet
        facts: dict[str, object] = {"plate": car.plate, "is_draft": car.is_draft}
        if car.price is not None:
            facts["price"] = car.price.price
        return csv_text(car.statement, *sheet.csv, facts).encode()


def _quarters(paper: Paper) -> bytes:
    return quarters_text(paper.first, *sheet_of(paper).csv).encode()


def _json(paper: Paper) -> bytes:
    return json_bytes(paper.first)


def _texts_in(value: object) -> Iterator[str]:
    """Yield all texts of a table of a template, and of the tables and lists in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        yield from value


def _template(paper: Paper) -> DocumentTemplate:
    """Return the words and formats of a paper."""
    return chosen(paper.templates, paper.language)


_WITHOUT_FONTS: Final[dict[DocumentForm, Maker]] = {
    DocumentForm.HTML: _html,
    DocumentForm.CSV: _csv,
    DocumentForm.JSON: _json,
    DocumentForm.QUARTERS: _quarters,
}
