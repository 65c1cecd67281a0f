"""Statements: closed ones, by their numbers, and those of a draft. Names stand on them, so viewers do not see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
from starlette.responses import Response

from levity_trio.billing.statement import Statement
from levity_trio.documents.json_file import StatementDocument
from levity_trio.documents.paper import Form, Paper
from levity_trio.store.billing.statements import statement
from levity_trio.store.engine.database import Database
from levity_trio.store.reads import statements as stored
from levity_trio.store.reads.pages import Page
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.reads.statements import ClosedStatement, DraftStatement
from levity_trio.web.api.billing import MonthName, draft_id, month_of
from levity_trio.web.api.endpoints import Asked, Declared, Endpoints, Request, Role
from levity_trio.web.api.lists import Paged, page, wanted
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


class StatementsQuery(Paged, kw_only=True):
    account: Annotated[int, msgspec.Meta(ge=1, lt=2**62, description="Only of this account.")] | None = None
    month: MonthName | None = None


class DocumentQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    format: Form = Form.HTML


class CoverQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    format: Literal["html", "pdf"] = "html"


class ArchiveQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    format: Form = Form.PDF
    after: Annotated[int, msgspec.Meta(ge=0, lt=2**62, description="Those with a higher number.")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftProblems:
    """What would be wrong with the documents of a draft: what its biller or its font lacks."""

    problems: tuple[str, ...]


# Closed ones


@ENDPOINTS.get(STATEMENTS, Role.OPERATOR)
async def list_statements(asked: Asked[StatementsQuery, None]) -> Page[ClosedStatement]:
    """List closed statements, the newest first."""
    query = asked.query
    read = partial(stored.closed_statements, account=query.account, month=query.month, wanted=wanted(query))
    return await page(asked.api, read)


@ENDPOINTS.get(STATEMENT, Role.OPERATOR, "not_found")
async def get_statement(asked: Request) -> StatementDocument:
    """Show a closed statement with its lines."""
    return await _as_json(asked, await _closed(asked))


@ENDPOINTS.get(f"{STATEMENT}/document", Role.OPERATOR, *NOT_MADE, "changed", **ANY_FORM)
async def get_document(asked: Asked[DocumentQuery, None]) -> Response:
    """Download a closed statement as HTML, PDF, CSV or JSON."""
    read, name = paper_of(asked, await _closed(asked)), f"statement-{asked.number('number')}"
    return document(asked.api, read, asked.query.format, name)


@ENDPOINTS.get(f"{CLOSING}/document", Role.OPERATOR, *NOT_MADE, "changed", **SHEET)
async def get_cover(asked: Asked[CoverQuery, None]) -> Response:
    """Download the covering sheet of a closed month."""
    month = _month(asked)
    found = await asked.api.reader.run(partial(stored.closed_after, month=month, number=0, most=MOST))
    if not found:
        raise not_found(f"closed statement of {month}")
    return _cover(asked, [row for row, _ in found], f"covering-sheet-{month}")


@ENDPOINTS.get(
    f"{CLOSING}/archive",
    *(Role.OPERATOR, *NOT_MADE, "changed"),
    summary=f"Download the next {AT_ONCE} closed statements of a month as one ZIP file.",
    media_type=ZIP,
)
async def get_archive(asked: Asked[ArchiveQuery, None]) -> Response:
    month, query = _month(asked), asked.query
    find = partial(stored.closed_after, month=month, number=query.after, most=AT_ONCE)
    found = await asked.api.reader.run(find)
    if not found:
        raise not_found(f"closed statement of {month} after number {query.after}")

    async def read() -> Mapping[str, Paper]:
        papers = await read_papers(asked.api, [row for row, _ in found])
        return {f"statement-{number}": paper for (_, number), paper in zip(found, papers, strict=True)}

    return archive(asked.api, read, query.format, f"statements-{month}-{found[0][1]}-{found[-1][1]}")


async def _closed(asked: Request) -> int:
    number = asked.number("number")
    return await asked.find(partial(stored.id_of_number, number=number), f"statement {number}")


# Those of a draft


@ENDPOINTS.get(DRAFT, Role.OPERATOR)
async def list_of_draft(asked: Asked[Paged, None]) -> Page[DraftStatement]:
    """List the statements of a draft that is ready, by account."""
    draft = await draft_id(asked)
    return await page(asked.api, partial(stored.draft_statements, draft=draft, wanted=wanted(asked.query)))


@ENDPOINTS.get(OF_DRAFT, Role.OPERATOR, "not_found")
async def get_of_draft(asked: Request) -> StatementDocument:
    """Show a statement of a draft with its lines."""
    return await _as_json(asked, await _drafted(asked))


@ENDPOINTS.get(f"{OF_DRAFT}/document", Role.OPERATOR, *NOT_MADE, "changed", **ANY_FORM)
async def get_document_of_draft(asked: Asked[DocumentQuery, None]) -> Response:
    """Download a statement of a draft."""
    read, name = paper_of(asked, await _drafted(asked)), f"draft-{_month(asked)}-{asked.number()}"
    return document(asked.api, read, asked.query.format, name)


@ENDPOINTS.get(f"{DRAFT}/document", Role.OPERATOR, *NOT_MADE, "changed", **SHEET)
async def get_cover_of_draft(asked: Asked[CoverQuery, None]) -> Response:
    """Download the covering sheet of a draft."""
    ids = await _ids_of_draft(asked)
    if not ids:
        raise not_found(f"statement in the draft of {_month(asked)}")
    return _cover(asked, ids, f"draft-covering-sheet-{_month(asked)}")


@ENDPOINTS.get(f"{DRAFT}/problems", Role.OPERATOR, "not_found", "busy", "changed", answer=DraftProblems)
async def get_problems(asked: Request) -> Response:
    """List what would be wrong with the documents of a draft, such as characters that the font lacks."""
    ids = await _ids_of_draft(asked)

    async def make() -> Response:
        found = DraftProblems(problems=tuple(await problems_of(asked.api, ids)))
        return Response(msgspec.json.encode(show(found)), media_type="application/json")

    return Made(make)


async def _drafted(asked: Request) -> int:
    draft, number = await draft_id(asked), asked.number()
    if not await asked.api.reader.run(partial(stored.is_of_draft, draft=draft, statement=number)):
        raise not_found(f"statement {number} in this draft")
    return number


async def _ids_of_draft(asked: Request) -> list[int]:
    read = partial(stored.drafted_after, draft=await draft_id(asked), place=(0, 0), most=MOST)
    return [row for _, row in await asked.api.reader.run(read)]


# Both


async def _as_json(asked: Request, statement_id: int) -> StatementDocument:
    def read(db: Database) -> Statement:
        db.execute("BEGIN")
        return statement(rows_of(db), statement_id)

    return msgspec.convert(await asked.api.reader.run(read), StatementDocument, from_attributes=True)


def paper_of(asked: Request, statement_id: int) -> Callable[[], Awaitable[Paper]]:
    """Return what reads a statement to be printed."""

    async def read() -> Paper:
        (paper,) = await read_papers(asked.api, [statement_id])
        return paper

    return read


def _cover(asked: Asked[CoverQuery, object], ids: Sequence[int], name: str) -> Response:
    return document(asked.api, partial(read_cover, asked.api, ids), Form(asked.query.format), name)


def _month(asked: Request) -> str:
    return str(month_of(asked))
