"""Documents as responses: read, made in a process of their own, and sent. They are personal, so
nobody keeps a copy.

A document takes a second or more. Its request has given its place back by then, so others are
answered meanwhile.
"""

from __future__ import annotations

import io
import unicodedata
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from levity_trio.documents import DocumentProblem, printing
from levity_trio.documents.paper import AnyPaper, DocumentForm, Paper, SheetPaper, name_of
from levity_trio.locale import of_reader
from levity_trio.notify.delivery import as_paper
from levity_trio.store.billing.statements import Printed, printed
from levity_trio.store.engine.database import rows_of
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import ApiParts
from levity_trio.web.api.engine.problems import busy

MOST_WAITING: Final = 16
BUSY_SECONDS: Final = 10
AT_ONCE: Final = 20
"""Statements of one archive."""
MEDIA_TYPES: Final = {
    DocumentForm.HTML: "text/html",
    DocumentForm.PDF: "application/pdf",
    DocumentForm.CSV: "text/csv",
    DocumentForm.JSON: "application/json",
    DocumentForm.QUARTERS: "text/csv",
}
ZIP: Final = "application/zip"
_SHOWN: Final = (DocumentForm.HTML, DocumentForm.PDF)
"""Forms that a browser shows; it stores the others."""
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class DocumentResponse(Response):
    """A response that is made when it is sent. Raises Problem then."""

    def __init__(self, make: Callable[[], Awaitable[Response]]) -> None:
        super().__init__()
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._make()
        await response(scope, receive, send)


def document(
    api: ApiParts,
    read: Callable[[], Awaitable[AnyPaper]] | SheetPaper,
    form: DocumentForm,
    name: str | None = None,
    *,
    is_shown: bool = True,
) -> DocumentResponse:
    """Return a document; `name` is that of its file without the ending: by default that of its
    statement.

    `is_shown` is whether a browser shows it, if it can.
    """

    async def make() -> Response:
        paper = read if isinstance(read, tuple) else await read()
        (content,) = await _printed(api, [paper], form)
        stem = name_of(paper.first) if name is None and isinstance(paper, Paper) else name
        is_inline = is_shown and form in _SHOWN
        return as_file(content, MEDIA_TYPES[form], f"{stem}.{form}", is_shown=is_inline)

    return DocumentResponse(make)


def archive(
    api: ApiParts, read: Callable[[], Awaitable[Sequence[Paper]]], form: DocumentForm, name: str
) -> DocumentResponse:
    """Return statements as one ZIP file."""

    async def make() -> Response:
        papers = await read()
        documents = await _printed(api, papers, form)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
            for paper, document_bytes in zip(papers, documents, strict=True):
                entry = zipfile.ZipInfo(f"{name_of(paper.first)}.{form}")
                zipped.writestr(entry, document_bytes, zipfile.ZIP_DEFLATED)
        return as_file(content.getvalue(), ZIP, f"{name}.zip")

    return DocumentResponse(make)


async def _printed(api: ApiParts, papers: Sequence[AnyPaper], form: DocumentForm) -> list[bytes]:
    """Make documents, unless too many wait to be made. Raises DocumentProblem, Problem."""
    if printing.waiting() >= MOST_WAITING:
        words = Told("{1} documents wait to be made; try again", MOST_WAITING)
        raise busy("busy", words, BUSY_SECONDS)
    return await printing.documents(papers, form, api.config.font)


async def read_papers(api: ApiParts, statement_ids: Sequence[int]) -> list[Paper]:
    """Return some closed statements to be printed."""
    return [as_paper(statement) for statement in await _read(api, statement_ids)]


async def read_cover(api: ApiParts, statement_ids: Sequence[int], *, is_open: bool) -> Paper:
    """Return the covering sheet of closed statements; `is_open` is whether their month may have
    more."""
    return cover_of(await _read(api, statement_ids))._replace(is_open=is_open)


def paper_of_draft(statement: Printed) -> Paper:
    """Return a statement that is not closed, in the language of its reader if it has none."""
    return as_paper(statement._replace(language=statement.language or of_reader()))


def cover_of(statements: Sequence[Printed]) -> Paper:
    """Return the covering sheet of some statements."""
    shown = tuple(one.statement for one in statements)
    return Paper(shown, statements[-1].templates, is_cover=True, language=of_reader())


async def problems_of(api: ApiParts, statements: Sequence[Printed]) -> list[str]:
    """Return what the documents of statements could not show: for a preview. Raises Problem."""
    if not statements:
        return []

    # Of the texts that people chose, only those count that have characters that no text before has.
    texts: list[str] = []
    characters: set[str] = set()
    for printed_statement in statements:
        for text in printed_statement.statement.names():
            if not characters.issuperset(text):
                characters.update(text)
                texts.append(text)
    try:
        paper = paper_of_draft(statements[0])
        missing = await printing.missing_characters(paper, texts, api.config.font)
    except DocumentProblem as problem:
        return [*problem.args]
    problems: list[str] = []
    for character, text in missing.items():
        words = Told(
            "the font lacks {1} (U+{2}), as in {3}: give another with --font",
            *(character, f"{ord(character):04X}", repr(text)),
        )
        problems.append(words)
    return problems


async def _read(api: ApiParts, statement_ids: Sequence[int]) -> list[Printed]:
    return await api.reader.run(lambda db: [*printed(rows_of(db), statement_ids)])


def as_file(content: bytes, media_type: str, name: str, *, is_shown: bool = False) -> Response:
    """Return a file, which a browser stores, or shows."""
    disposition = "inline" if is_shown else "attachment"
    # A header has ASCII only; browsers take the name in full from `filename*` (RFC 6266).
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    disposition += f'; filename="{plain}"'
    if plain != name:
        disposition += f"; filename*=UTF-8''{quote(name, safe='')}"
    headers = {**_HEADERS, "content-disposition": disposition}
    return Response(content, headers=headers, media_type=media_type)
