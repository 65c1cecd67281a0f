"""Makes documents of each form. Imported only in the process that makes them; only PDFs load what
they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from levity_trio.documents import NotInstalled
from levity_trio.documents.covering_sheet import covering_sheet
from levity_trio.documents.csv_file import csv_text
from levity_trio.documents.html import codes_html, html
from levity_trio.documents.json_file import json_bytes
from levity_trio.documents.paper import CodeSheet, Form, Letter, Paper
from levity_trio.documents.sheet import Sheet, of_kept
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import Template, chosen
from levity_trio.locale import SOURCE, languages, speaking
from levity_trio.told import Told

Maker = Callable[[Any], object]
PACKAGES: Final = ("fpdf", "fontTools", "PIL", "pymupdf_fonts", "uharfbuzz")
"""What the extra `pdf` brings."""
_MISSING: Final = Told(
    "PDFs and logos need packages that are not installed: pip install '.[pdf]' in its source"
)


@contextmanager
def open_maker(task: str, font: Path | None) -> Iterator[Maker]:
    """Give what makes papers in a form, finds what the font lacks, or looks at a logo. Raises
    DocumentProblem."""
    if task in _WITHOUT_FONTS:
        yield _WITHOUT_FONTS[Form(task)]
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

        def _pdf(paper: Paper | CodeSheet | Letter) -> bytes:
            if isinstance(paper, Paper):
                return pdf(sheet_of(paper), fonts)
            with speaking(paper.language):
                return (
                    codes_pdf(paper, fonts)
                    if isinstance(paper, CodeSheet)
                    else letter_pdf(paper, fonts)
                )

        if task == Form.PDF:
            yield _pdf
        else:
            yield lambda one: fonts.missing((one,) if isinstance(one, str) else _texts(one))


def sheet_of(paper: Paper) -> Sheet:
    """Return what stands on a paper. Raises TemplateProblem."""
    if paper.sheet is not None:
        return of_kept(paper.sheet, paper.first.digest or "", paper.first.owner.logo)
    template = _template(paper)
    spoken = template.values["language"]
    with speaking(spoken if spoken in languages() else SOURCE):
        return (
            covering_sheet(paper.statements, template)
            if paper.is_cover
            else statement_sheet(paper.first, template)
        )


def _html(paper: Paper | CodeSheet) -> str:
    if not isinstance(paper, CodeSheet):
        return html(sheet_of(paper))
    with speaking(paper.language):
        return codes_html(paper)


def _texts(paper: Paper) -> Iterator[str]:
    """Yield what stands on a paper, and all words of its template."""
    yield from sheet_of(paper).texts()
    yield from _words(_template(paper).values)


def _words(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (word for inner in value.values() for word in _words(inner))
    elif isinstance(value, list):
        yield from value


def _template(paper: Paper) -> Template:
    """Return the words and formats of a paper. Before papers had a language, the reference was the
    number alone."""
    template = chosen(paper.templates, paper.language or None)
    if paper.language != "" or "payment_reference" in (paper.templates[0] or ""):
        return template
    return Template(
        {**template.values, "words": {**template.values["words"], "payment_reference": "{number}"}}
    )


_WITHOUT_FONTS: Final[dict[Form, Maker]] = {
    Form.HTML: lambda paper: _html(paper).encode(),
    Form.CSV: lambda paper: csv_text(paper.first, *sheet_of(paper).csv).encode(),
    Form.JSON: lambda paper: json_bytes(paper.first),
}
