"""Statements: closed ones, by their numbers, and those of a draft. Names stand on them, so viewers do not see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from levity_trio.billing.statement import Statement
from levity_trio.documents.json_file import StatementDocument
from levity_trio.documents.paper import Form, Paper
from levity_trio.records import record
from levity_trio.store.billing.statements import statement
from levity_trio.store.engine.database import Database
from levity_trio.store.reads import statements as stored
from levity_trio.store.reads.pages import ListPage, sort_by
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.reads.statements import ClosedStatement, DraftStatement
from levity_trio.web.api.billing import MonthName, draft_id, month_of
from levity_trio.web.api.bodies import Sent
from levity_trio.web.api.endpoints import Asked, Declared, Endpoints, Request, Role
from levity_trio.web.api.lists import CSV, OF_SORT, Cell, OneFormat, Paged, as_csv, in_units, page, wanted
from levity_trio.web.api.papers import (
    AT_ONCE,
    MEDIA_TYPES,
    ZIP,
    Made,
    archive,
    document,
    problems_of,
    read_cover,
    read_papers,
)
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import show
from levity_trio.web.texts import as_json

TAG: Final = "statements"
ENDPOINTS: Final = Endpoints(TAG)
STATEMENTS: Final = "/api/admin/statements"
STATEMENT: Final = f"{STATEMENTS}/{{number}}"
CLOSING: Final = "/api/admin/closings/{month}"
DRAFT: Final = "/api/admin/drafts/{month}"
OF_DRAFT: Final = f"{DRAFT}/statements/{{id}}"
MOST: Final = 10_000
"""Statements of one covering sheet."""
NOT_MADE: Final = ("not_found", "not_made", "busy")
ANY_FORM: Final[Declared] = {
    "answer": StatementDocument,
    "media_type": MEDIA_TYPES[Form.HTML],
    "other_media_types": tuple(MEDIA_TYPES[form] for form in Form if form is not Form.HTML),
}
SHEET: Final[Declared] = {**ANY_FORM, "other_media_types": (MEDIA_TYPES[Form.PDF],)}


SortOfClosed = Literal[
    "number", "-number", "name", "-name", "energy", "-energy", "amount", "-amount", "total", "-total", "paid", "-paid"
]
SortOfDraft = Literal[
    "name", "-name", "sessions", "-sessions", "energy", "-energy", "amount", "-amount", "total", "-total"
]
IN_FILE: Final[Mapping[str, Callable[[ClosedStatement], Cell]]] = {
    **{name: attrgetter(name) for name in ("number", "month", "account", "name", "sessions")},
    "kwh": lambda one: one.energy_wh / 1000,
    "amount": lambda one: in_units(one.amount, one.currency),
    "carried_in": lambda one: in_units(one.carried_in, one.currency),
    "total": lambda one: in_units(one.total, one.currency),
    "currency": attrgetter("currency"),
    "closed_at": attrgetter("closed_at"),
}
"""The columns of a file of them."""


class StatementsQuery(Paged):
    account: Annotated[int, Meta(ge=1, lt=2**62, description="Only of this account.")] | None = None
    month: MonthName | None = None
    sort: Annotated[SortOfClosed, Meta(description=OF_SORT)] | None = None
    format: OneFormat = "json"


class DraftQuery(Paged):
    sort: Annotated[SortOfDraft, Meta(description=OF_SORT)] | None = None


class DocumentQuery(Sent):
    format: Form = Form.HTML


class CoverQuery(Sent):
    format: Literal["html", "pdf"] = "html"


class ArchiveQuery(Sent):
    format: Form = Form.PDF
    after: Annotated[int, Meta(ge=0, lt=2**62, description="Those with a higher number.")] = 0


@record
class DraftProblems:
    """What would be wrong with the documents of a draft: what its biller or its font lacks."""

    problems: tuple[str, ...]


# Closed statements


@ENDPOINTS.get(STATEMENTS, Role.OPERATOR, other_media_types=(CSV,))
async def list_statements(request: Asked[StatementsQuery, None]) -> ListPage[ClosedStatement] | StreamingResponse:
    """List closed statements, the newest first or by a column; CSV too."""
    query = request.query
    read = partial(stored.closed_statements, account=query.account, month=query.month)
    if query.format == "csv":
        return as_csv(request, IN_FILE, read)
    return await page(request, partial(read, wanted=wanted(query), sort=sort_by(stored.CLOSED_COLUMNS, query.sort)))


@ENDPOINTS.get(STATEMENT, Role.OPERATOR, "not_found")
async def get_statement(request: Request) -> StatementDocument:
    """Show a closed statement with its lines."""
    return await _as_json(request, await _closed(request))


@ENDPOINTS.get(f"{STATEMENT}/document", Role.OPERATOR, *NOT_MADE, "changed", **ANY_FORM)
async def get_document(request: Asked[DocumentQuery, None]) -> Response:
    """Download a closed statement as HTML, PDF, CSV or JSON."""
    return document(request.api, paper_of(request, await _closed(request)), request.query.format)


@ENDPOINTS.get(f"{CLOSING}/document", Role.OPERATOR, *NOT_MADE, "changed", **SHEET)
async def get_cover(request: Asked[CoverQuery, None]) -> Response:
    """Download the covering sheet of a closed month."""
    month = _month(request)
    statements = await request.read(partial(stored.closed_after, month=month, number=0, most=MOST))
    if not statements:
        raise not_found(f"closed statement of {month}")
    return _cover(request, [row for row, _ in statements], f"{month} covering sheet")


@ENDPOINTS.get(
    f"{CLOSING}/archive",
    *(Role.OPERATOR, *NOT_MADE, "changed"),
    summary=f"Download the next {AT_ONCE} closed statements of a month as one ZIP file.",
    media_type=ZIP,
)
async def get_archive(request: Asked[ArchiveQuery, None]) -> Response:
    month, query = _month(request), request.query
    find = partial(stored.closed_after, month=month, number=query.after, most=AT_ONCE)
    statements = await request.read(find)
    if not statements:
        raise not_found(f"closed statement of {month} after number {query.after}")

    read = partial(read_papers, request.api, [row for row, _ in statements])
    return archive(request.api, read, query.format, f"{month} statements {statements[0][1]}-{statements[-1][1]}")


async def _closed(request: Request) -> int:
    number = request.number("number")
    return await request.find(partial(stored.id_of_number, number=number), f"statement {number}")


# Statements of a draft


@ENDPOINTS.get(DRAFT, Role.OPERATOR)
async def list_of_draft(request: Asked[DraftQuery, None]) -> ListPage[DraftStatement]:
    """List the statements of a draft that is ready, by account or by a column."""
    draft, query = await draft_id(request), request.query
    sort = sort_by(stored.DRAFT_COLUMNS, query.sort)
    return await page(request, partial(stored.draft_statements, draft=draft, wanted=wanted(query), sort=sort))


@ENDPOINTS.get(OF_DRAFT, Role.OPERATOR, "not_found")
async def get_of_draft(request: Request) -> StatementDocument:
    """Show a statement of a draft with its lines."""
    return await _as_json(request, await _drafted(request))


@ENDPOINTS.get(f"{OF_DRAFT}/document", Role.OPERATOR, *NOT_MADE, "changed", **ANY_FORM)
async def get_document_of_draft(request: Asked[DocumentQuery, None]) -> Response:
    """Download a statement of a draft."""
    return document(request.api, paper_of(request, await _drafted(request)), request.query.format)


@ENDPOINTS.get(f"{DRAFT}/document", Role.OPERATOR, *NOT_MADE, "changed", **SHEET)
async def get_cover_of_draft(request: Asked[CoverQuery, None]) -> Response:
    """Download the covering sheet of a draft."""
    ids = await _ids_of_draft(request)
    if not ids:
        raise not_found(f"statement in the draft of {_month(request)}")
    return _cover(request, ids, f"{_month(request)} covering sheet draft")


@ENDPOINTS.get(f"{DRAFT}/problems", Role.OPERATOR, "not_found", "busy", "changed", answer=DraftProblems)
async def get_problems(request: Request) -> Response:
    """List what would be wrong with the documents of a draft, such as characters that the font lacks."""
    ids = await _ids_of_draft(request)

    async def make() -> Response:
        found = DraftProblems(problems=tuple(await problems_of(request.api, ids)))
        return Response(msgspec.json.encode(show(found), enc_hook=as_json), media_type="application/json")

    return Made(make)


async def _drafted(request: Request) -> int:
    draft, number = await draft_id(request), request.number()
    if not await request.read(partial(stored.is_of_draft, draft=draft, statement=number)):
        raise not_found(f"statement {number} in this draft")
    return number


async def _ids_of_draft(request: Request) -> list[int]:
    read = partial(stored.drafted_after, draft=await draft_id(request), place=(0, 0), most=MOST)
    return [row for _, row in await request.read(read)]


# Any statement


async def _as_json(request: Request, statement_id: int) -> StatementDocument:
    def read(db: Database) -> Statement:
        db.execute("BEGIN")
        return statement(rows_of(db), statement_id)

    return msgspec.convert(await request.read(read), StatementDocument, from_attributes=True)


def paper_of(request: Request, statement_id: int) -> Callable[[], Awaitable[Paper]]:
    """Return what reads a statement to be printed."""

    async def read() -> Paper:
        (paper,) = await read_papers(request.api, [statement_id])
        return paper

    return read


def _cover(request: Asked[CoverQuery, None], ids: Sequence[int], name: str) -> Response:
    return document(request.api, partial(read_cover, request.api, ids), Form(request.query.format), name)


def _month(request: Request) -> str:
    return str(month_of(request))
