"""Statements: closed ones, by their numbers, and those of a draft. Names stand on them, so viewers do not see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.responses import Response

from levity_trio.documents.json_file import StatementDocument
from levity_trio.documents.paper import Form, Paper
from levity_trio.store.billing.statements import statement
from levity_trio.store.reads import statements as stored
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.reads.statements import ClosedStatement, DraftStatement
from levity_trio.web.api.billing import month_of
from levity_trio.web.api.context import Api
from levity_trio.web.api.endpoints import MONTH_PATTERN, Asked, Endpoint, Role
from levity_trio.web.api.lists import Page, Paged, page, page_of, wanted
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
from levity_trio.web.api.shown import show, shown_as

TAG: Final = "statements"
STATEMENTS: Final = "/api/admin/statements"
STATEMENT: Final = f"{STATEMENTS}/{{number}}"
CLOSING: Final = "/api/admin/closings/{month}"
DRAFT: Final = "/api/admin/drafts/{month}"
OF_DRAFT: Final = f"{DRAFT}/statements/{{id}}"
MOST: Final = 10_000
"""Statements of one covering sheet."""
NOT_MADE: Final = ("not_found", "not_made", "busy")

Month = Annotated[str, msgspec.Meta(pattern=MONTH_PATTERN, description="Such as 2026-10.")]


class StatementsQuery(Paged, kw_only=True):
    account: Annotated[int, msgspec.Meta(ge=1, lt=2**62, description="Only of this account.")] | None = None
    month: Month | None = None


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


async def list_statements(asked: Asked) -> Page[Any]:
    query: StatementsQuery = asked.query
    read = partial(stored.closed_statements, account=query.account, month=query.month, wanted=wanted(query))
    return await page(asked.api, read)


async def get_statement(asked: Asked) -> Any:
    return await _as_json(asked.api, await _closed(asked))


async def get_document(asked: Asked) -> Response:
    form: Form = asked.query.format
    return document(asked.api, paper_of(asked, await _closed(asked)), form, f"statement-{asked.number('number')}")


async def get_cover(asked: Asked) -> Response:
    month = _month(asked)
    found = await asked.api.reader.run(partial(stored.closed_after, month=month, number=0, most=MOST))
    if not found:
        raise not_found(f"closed statement of {month}")
    return _cover(asked, [row for row, _ in found], f"covering-sheet-{month}")


async def get_archive(asked: Asked) -> Response:
    """Return the next statements of a month, as many as are made at once."""
    month, query = _month(asked), asked.query
    find = partial(stored.closed_after, month=month, number=query.after, most=AT_ONCE)
    found = await asked.api.reader.run(find)
    if not found:
        raise not_found(f"closed statement of {month} after number {query.after}")

    async def read() -> Mapping[str, Paper]:
        papers = await read_papers(asked.api, [row for row, _ in found])
        return {f"statement-{number}": paper for (_, number), paper in zip(found, papers, strict=True)}

    return archive(asked.api, read, query.format, f"statements-{month}-{found[0][1]}-{found[-1][1]}")


async def _closed(asked: Asked) -> int:
    number = asked.number("number")
    found = await asked.api.reader.run(partial(stored.id_of_number, number=number))
    if found is None:
        raise not_found(f"statement {number}")
    return found


# Those of a draft


async def list_of_draft(asked: Asked) -> Page[Any]:
    draft = await draft_id(asked)
    return await page(asked.api, partial(stored.draft_statements, draft=draft, wanted=wanted(asked.query)))


async def get_of_draft(asked: Asked) -> Any:
    return await _as_json(asked.api, await _drafted(asked))


async def get_document_of_draft(asked: Asked) -> Response:
    form: Form = asked.query.format
    name = f"draft-{_month(asked)}-{asked.number()}"
    return document(asked.api, paper_of(asked, await _drafted(asked)), form, name)


async def get_cover_of_draft(asked: Asked) -> Response:
    ids = await _ids_of_draft(asked)
    if not ids:
        raise not_found(f"statement in the draft of {_month(asked)}")
    return _cover(asked, ids, f"draft-covering-sheet-{_month(asked)}")


async def get_problems(asked: Asked) -> Response:
    ids = await _ids_of_draft(asked)

    async def make() -> Response:
        found = DraftProblems(problems=tuple(await problems_of(asked.api, ids)))
        return Response(msgspec.json.encode(show(found)), media_type="application/json")

    return Made(make)


async def draft_id(asked: Asked) -> int:
    """Return the draft of the month in the path, if it is ready. Raises Problem."""
    month = _month(asked)
    found = await asked.api.reader.run(partial(stored.draft_of, month=month))
    if found is None:
        raise not_found(f"draft of {month} that is ready; make one with levity-trio bill preview {month}")
    return found


async def _drafted(asked: Asked) -> int:
    draft, number = await draft_id(asked), asked.number()
    if not await asked.api.reader.run(partial(stored.is_of_draft, draft=draft, statement=number)):
        raise not_found(f"statement {number} in this draft")
    return number


async def _ids_of_draft(asked: Asked) -> list[int]:
    read = partial(stored.drafted_after, draft=await draft_id(asked), place=(0, 0), most=MOST)
    return [row for _, row in await asked.api.reader.run(read)]


# Both


async def _as_json(api: Api, statement_id: int) -> Any:
    def read(db: Any) -> Any:
        db.execute("BEGIN")
        return statement(rows_of(db), statement_id)

    return msgspec.convert(await api.reader.run(read), StatementDocument, from_attributes=True)


def paper_of(asked: Asked, statement_id: int) -> Callable[[], Awaitable[Paper]]:
    """Return what reads a statement to be printed."""

    async def read() -> Paper:
        (paper,) = await read_papers(asked.api, [statement_id])
        return paper

    return read


def _cover(asked: Asked, ids: Sequence[int], name: str) -> Response:
    return document(asked.api, partial(read_cover, asked.api, ids), Form(asked.query.format), name)


def _month(asked: Asked) -> str:
    return str(month_of(asked))


def _of_document(path: str, summary: str, handle: Any, query: type[msgspec.Struct]) -> Endpoint:
    """Return the endpoint of a document, which takes the forms that its query names."""
    forms = Form if query is DocumentQuery else (Form.HTML, Form.PDF)
    first, *others = (MEDIA_TYPES[one] for one in forms)
    return Endpoint(
        method="GET",
        path=f"{path}/document",
        role=Role.OPERATOR,
        tag=TAG,
        summary=summary,
        handle=handle,
        query=query,
        answer=StatementDocument,
        media_type=first,
        other_media_types=tuple(others),
        problems=(*NOT_MADE, "changed"),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=STATEMENTS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List closed statements, the newest first.",
        handle=list_statements,
        query=StatementsQuery,
        answer=page_of(ClosedStatement),
    ),
    Endpoint(
        method="GET",
        path=STATEMENT,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show a closed statement with its lines.",
        handle=get_statement,
        answer=StatementDocument,
        problems=("not_found",),
    ),
    _of_document(STATEMENT, "Download a closed statement as HTML, PDF, CSV or JSON.", get_document, DocumentQuery),
    _of_document(CLOSING, "Download the covering sheet of a closed month.", get_cover, CoverQuery),
    Endpoint(
        method="GET",
        path=f"{CLOSING}/archive",
        role=Role.OPERATOR,
        tag=TAG,
        summary=f"Download the next {AT_ONCE} closed statements of a month as one ZIP file.",
        handle=get_archive,
        query=ArchiveQuery,
        answer=str,
        media_type=ZIP,
        problems=(*NOT_MADE, "changed"),
    ),
    Endpoint(
        method="GET",
        path=DRAFT,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List the statements of a draft that is ready, by account.",
        handle=list_of_draft,
        query=Paged,
        answer=page_of(DraftStatement),
    ),
    Endpoint(
        method="GET",
        path=OF_DRAFT,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show a statement of a draft with its lines.",
        handle=get_of_draft,
        answer=StatementDocument,
        problems=("not_found",),
    ),
    _of_document(OF_DRAFT, "Download a statement of a draft.", get_document_of_draft, DocumentQuery),
    _of_document(DRAFT, "Download the covering sheet of a draft.", get_cover_of_draft, CoverQuery),
    Endpoint(
        method="GET",
        path=f"{DRAFT}/problems",
        role=Role.OPERATOR,
        tag=TAG,
        summary="List what would be wrong with the documents of a draft, such as characters that the font lacks.",
        handle=get_problems,
        answer=shown_as(DraftProblems),
        problems=("not_found", "busy", "changed"),
    ),
)
