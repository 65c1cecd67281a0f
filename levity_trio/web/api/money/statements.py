"""Statements: closed ones, and those of a preview. Names stand on them, so viewers do not see
them.

Who bills: name, address, bank account, logo and template, as they stand on statements from now
on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from levity_trio import nouns
from levity_trio.billing.bank_accounts import grouped
from levity_trio.billing.settling import StatementState
from levity_trio.documents import DocumentProblem, NotInstalled, printing
from levity_trio.documents.cells import inert
from levity_trio.documents.json_file import StatementDocument, document_of
from levity_trio.documents.paper import DocumentForm
from levity_trio.documents.sheet import LARGEST_LOGO_BYTES, media_type
from levity_trio.documents.template import ENGLISH_TEXT, TemplateProblem, parse
from levity_trio.locale import N_, _, _p
from levity_trio.locale.texts import said
from levity_trio.notify.delivery import as_paper, supplements
from levity_trio.records import copied, record
from levity_trio.store.billing.biller import Biller, newest_biller
from levity_trio.store.billing.drafting import Terms
from levity_trio.store.billing.statements import Printed, closed, statement, supplement
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.money import months
from levity_trio.store.reads.money import statements as stored
from levity_trio.store.reads.money.statements import (
    BillerRow,
    BookedLine,
    ClosedStatement,
    StatementFilters,
    WantedYear,
    YearOfBills,
    booked_lines,
    year_of_bills,
)
from levity_trio.store.reads.pages import ListPage, sort_by
from levity_trio.store.writes.money import ledger as writes
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    ClientInput,
    Declared,
    Endpoints,
    Request,
    Role,
    Server,
    StreamedBody,
    TypedRequest,
    Upload,
    Values,
    content_of,
    local_today,
    rule_of,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    Cell,
    MonthName,
    OneFormat,
    Paged,
    encoded,
    in_units,
    listed,
    wanted,
)
from levity_trio.web.api.engine.papers import (
    AT_ONCE,
    MEDIA_TYPES,
    ZIP,
    archive,
    cover_of,
    document,
    paper_of_draft,
    problems_of,
    read_cover,
    read_papers,
)
from levity_trio.web.api.engine.problems import conflict, invalid, not_found
from levity_trio.web.api.money.billing import (
    NOT_DRAFTED,
    SALT_BYTES,
    TermsOfMonth,
    computed,
    month_of,
)
from levity_trio.web.api.people.accounts import Language

TAG: Final = "statements"
ENDPOINTS: Final = Endpoints(TAG)
STATEMENTS: Final = "/api/admin/statements"
STATEMENT: Final = f"{STATEMENTS}/{{number}}"
YEAR: Final = "/api/admin/years/{year}"
CLOSING: Final = "/api/admin/closings/{month}"
DRAFT: Final = "/api/admin/drafts/{month}"
OF_DRAFT: Final = f"{DRAFT}/statements/{{id}}"
MOST: Final = 10_000
"""Statements of one covering sheet."""
NOT_MADE: Final = ("not_found", "not_made", "busy")
ANY_FORM: Final[Declared] = {
    "answer": StatementDocument,
    "media_type": MEDIA_TYPES[DocumentForm.HTML],
    "other_media_types": tuple(dict.fromkeys(MEDIA_TYPES.values()))[1:],
}
SHEET: Final[Declared] = {**ANY_FORM, "other_media_types": (MEDIA_TYPES[DocumentForm.PDF],)}


SortOfClosed = Literal[
    "number",
    "-number",
    "name",
    "-name",
    "energy",
    "-energy",
    "amount",
    "-amount",
    "total",
    "-total",
    "paid",
    "-paid",
]
IN_FILE: Final[Mapping[str, Callable[[ClosedStatement], Cell]]] = {
    "number": attrgetter("printed_number"),
    **{name: attrgetter(name) for name in ("month", "account", "name", "sessions")},
    "kwh": lambda row: row.energy_wh / 1000,
    "amount": lambda row: in_units(row.amount, row.currency),
    "carried_in": lambda row: in_units(row.carried_in, row.currency),
    "total": lambda row: in_units(row.total, row.currency),
    **{name: attrgetter(name) for name in ("currency", "closed_at", "state")},
    "open": lambda row: in_units(row.open, row.currency),
    "due_on": attrgetter("due_on"),
}
"""The columns of a file of them."""


HEADS: Final[Mapping[str, str]] = N_(
    {
        "day": "Date",
        "kind": "Kind",
        "document": "Document",
        "account": "Household no.",
        "name": "Household",
        "text": "Text",
        "net": "Net",
        "rate": "Tax rate",
        "tax": "Tax",
        "gross": "Gross",
        "paid": "Payment",
        "currency": "Currency",
        "energy_wh": "kWh billed",
        "month": "Month of energy",
        "due_on": "Payable by",
        "state": "State",
    }
)
"""The columns of the file of a year; people read their heads in their language."""
OF_TAX: Final = ("net", "rate", "tax")
_WORDS: Final[Mapping[str, str]] = N_({"prepaid": "from wallet", "overdue": "overdue"})
"""What that file tells in other words than it is kept."""


class YearQuery(ClientInput):
    """What counts as of the year, and in which form it is told.

    + by: The day of the invoice, or the month of the energy.
    + format: Sums as JSON, or each booking as CSV.
    """

    by: Literal["invoice", "energy"] = "invoice"
    format: Literal["json", "csv"] = "json"


class StatementsQuery(Paged):
    """What is asked for.

    - account (--household HOUSEHOLD): Only of this household.
    - month: Only of this month.
    + number: As printed, or plain.
    + state: Only those that stand so; unpaid: open, partly paid or overdue.
    + sort: By a column; with - before it, descending. At most 10,000 rows are sorted.
    """

    number: Annotated[str, Meta(max_length=30)] | None = None
    account: Annotated[int, Meta(ge=1, lt=2**62)] | None = None
    month: MonthName | None = None
    state: StatementState | None = None
    sort: SortOfClosed | None = None
    format: OneFormat = "json"


class DocumentQuery(ClientInput):
    """What is asked for.

    - format (--as FORM): As a document.
    """

    format: DocumentForm = DocumentForm.HTML


class CoverQuery(ClientInput):
    format: Literal["html", "pdf"] = "html"


class DraftDocumentQuery(TermsOfMonth):
    format: DocumentForm = DocumentForm.HTML


class DraftCoverQuery(TermsOfMonth):
    format: Literal["html", "pdf"] = "html"


class ArchiveQuery(ClientInput):
    """What is asked for.

    + after: Those with a higher number.
    """

    format: DocumentForm = DocumentForm.PDF
    after: Annotated[int, Meta(ge=0, lt=2**62)] = 0


@record
class Supplements:
    """The documents that were added to the papers of a month, by their digests."""

    month: str
    digests: tuple[str, ...]


@record
class DraftProblems:
    """What the documents of a month could not show. What they lack is told with its preview."""

    problems: tuple[str, ...]


# Closed statements


@ENDPOINTS.get(STATEMENTS, Role.OPERATOR, other_media_types=(CSV,))
async def list_statements(
    request: TypedRequest[StatementsQuery, None],
) -> ListPage[ClosedStatement] | StreamingResponse:
    """List closed statements, the newest first or by a column; CSV too."""
    return await listed(request, IN_FILE, read_statements)


def read_statements(
    db: Database, server: Server, query: StatementsQuery
) -> ListPage[ClosedStatement]:
    """Return a page of closed statements. Raises NoPage."""
    sort = sort_by(stored.CLOSED_COLUMNS, query.sort)
    filters = copied(StatementFilters, query, today=local_today(server).isoformat())
    return stored.closed_statements(db, filters, wanted(query), sort)


@ENDPOINTS.get(STATEMENT, Role.OPERATOR, "not_found")
async def get_statement(request: Request) -> StatementDocument:
    """Show a closed statement with its lines."""
    return await request.read(read_statement, number=request.path["number"])


def read_statement(db: Database, number: str) -> StatementDocument:
    """Return a closed statement by its number, as printed or plain. Raises Problem."""
    row = stored.id_of_number(db, number)
    if row is None:
        raise not_found(Told("statement {1}", number))
    return document_of(statement(rows_of(db), row))


@ENDPOINTS.get(f"{STATEMENT}/document", Role.OPERATOR, *NOT_MADE, **ANY_FORM)
async def get_document(request: TypedRequest[DocumentQuery, None]) -> Response:
    """Download a closed statement as HTML, PDF, CSV or JSON, or its quarters of an hour as CSV."""
    return await of_number(request)


@ENDPOINTS.get(f"{STATEMENT}/supplement", Role.OPERATOR, *NOT_MADE, **SHEET)
async def get_supplement(request: TypedRequest[CoverQuery, None]) -> Response:
    """Download what was added to a closed statement that lacked something."""
    return await of_number(request, read=supplement)


@ENDPOINTS.post(f"{CLOSING}/supplements", Role.OPERATOR, "conflict", "not_made")
async def add_supplements(request: Request) -> Supplements:
    """Add to the papers of a closed month what they lacked and is known now: a document for each
    household, which names its statements."""
    api, month = request.api, str(month_of(request))
    at, salt, zone = api.stamp(), secrets.token_hex(SALT_BYTES), request.zone
    found = await request.read(supplements, month=month, at=at, zone=zone, salt=salt)
    if not found:
        raise conflict(Told("these papers lack nothing that is known now; enter it first"))
    digests = [
        await request.commit(writes.supplement, one, at, request.caller.name) for one in found
    ]
    return Supplements(month=month, digests=tuple(digests))


@ENDPOINTS.get(f"{CLOSING}/document", Role.OPERATOR, *NOT_MADE, **SHEET)
async def get_cover(request: TypedRequest[CoverQuery, None]) -> Response:
    """Download the covering sheet of a closed month."""
    month = str(month_of(request))
    statements = await request.read(stored.closed_after, month=month, number=0, most=MOST)
    if not statements:
        raise not_found(Told("closed statement of {1}", month))
    begun = await request.read(stored.billing)
    is_open = begun is not None and month >= begun.open_month
    read = partial(read_cover, request.api, [row for row, _ in statements], is_open=is_open)
    return document(
        request.api, read, DocumentForm(request.query.format), f"{month} covering sheet"
    )


@ENDPOINTS.get(
    f"{CLOSING}/archive",
    *(Role.OPERATOR, *NOT_MADE),
    summary=f"Download the next {AT_ONCE} closed statements of a month as one ZIP file.",
    media_type=ZIP,
)
async def get_archive(request: TypedRequest[ArchiveQuery, None]) -> Response:
    month, after = str(month_of(request)), request.query.after
    statements = await request.read(stored.closed_after, month=month, number=after, most=AT_ONCE)
    if not statements:
        raise not_found(Told("closed statement of {1} after number {2}", month, after))

    read = partial(read_papers, request.api, [row for row, _ in statements])
    (_, first), (_, last) = statements[0], statements[-1]
    name = f"{month} statements {first}-{last}".replace("/", "-")
    return archive(request.api, read, request.query.format, name)


# A year


@ENDPOINTS.get(YEAR, Role.OPERATOR, other_media_types=(CSV,))
async def get_year(request: TypedRequest[YearQuery, None]) -> YearOfBills | Response:
    """Show what was billed and paid in a year, by month, quarter and household. As CSV it has a
    line for each statement and tax rate, and for each payment."""
    wanted_year = of_year(request.api, request.number("year"), request.query.by)
    if request.query.format == "json":
        return await request.read(year_of_bills, wanted=wanted_year)
    lines = await request.read(booked_lines, wanted=wanted_year)
    has_tax = any(line.rate is not None for line in lines)
    columns = [name for name in HEADS if has_tax or name not in OF_TAX]
    heads = [_(HEADS[name]) for name in columns]
    rows = ([inert(_cell(line, name)) for name in columns] for line in lines)
    return Response(encoded([heads, *rows]), media_type=CSV)


def of_year(server: Server, year: int, by: str) -> WantedYear:
    """Return what is wanted of a year."""
    return WantedYear(year, by, local_today(server), server.config.time_zone)


def _cell(line: BookedLine, name: str) -> Cell:
    """Return what a line says in a column."""
    is_money = line.month is None
    value: Cell = getattr(line, name)
    match name:
        case "paid":
            return in_units(line.paid + line.corrected, line.currency) if is_money else None
        case "net" | "tax" | "gross":
            return None if is_money else in_units(getattr(line, name), line.currency)
        case "energy_wh":
            return None if is_money else line.energy_wh / 1000
        case "kind" | "state" if value:
            word = str(value)
            return _p("statement", "open") if word == "open" else _(_WORDS.get(word, word))
    return said(value) if isinstance(value, str) else value


# Statements of a preview


@ENDPOINTS.get(OF_DRAFT, Role.OPERATOR, "not_found", *NOT_DRAFTED)
async def get_of_draft(request: TypedRequest[TermsOfMonth, None]) -> StatementDocument:
    """Show what a statement of a month would be now, with its lines."""
    (draft,) = await _drafted(request, request.number())
    return document_of(draft.statement)


@ENDPOINTS.get(f"{OF_DRAFT}/document", Role.OPERATOR, *NOT_MADE, *NOT_DRAFTED, **ANY_FORM)
async def get_document_of_draft(request: TypedRequest[DraftDocumentQuery, None]) -> Response:
    """Download what a statement of a month would be now."""
    (draft,) = await _drafted(request, request.number())
    return document(request.api, paper_of_draft(draft), request.query.format)


@ENDPOINTS.get(f"{DRAFT}/document", Role.OPERATOR, *NOT_MADE, *NOT_DRAFTED, **SHEET)
async def get_cover_of_draft(request: TypedRequest[DraftCoverQuery, None]) -> Response:
    """Download what the covering sheet of a month would be now."""
    cover = cover_of(await _drafted(request))
    name = f"{month_of(request)} covering sheet draft"
    return document(request.api, cover, DocumentForm(request.query.format), name)


@ENDPOINTS.get(f"{DRAFT}/problems", Role.OPERATOR, "busy", *NOT_DRAFTED)
async def get_problems(request: TypedRequest[TermsOfMonth, None]) -> DraftProblems:
    """List what the documents of a month could not show, such as characters that the font
    lacks."""
    statements = await _drafted(request, may_be_none=True)
    async with request.api.places.wait():
        problems = await problems_of(request.api, statements)
    return DraftProblems(problems=tuple(problems))


async def _drafted(
    request: TypedRequest[TermsOfMonth, None],
    number: int | None = None,
    *,
    may_be_none: bool = False,
) -> list[Printed]:
    """Return the statements of a month as they would be now, or the one with an id. Raises
    Problem."""
    month, query = month_of(request), request.query
    terms = Terms(rule_of(request.api), query.carry_below)
    account = query.account
    statements = await computed(
        request, months.drafted, month=month, account=account, terms=terms, number=number
    )
    if not statements and number is not None:
        raise not_found(Told("statement {1} in this preview", number))
    if not statements and not may_be_none:
        raise not_found(Told("statement in the preview of {1}", str(month)))
    return statements


# Any statement


async def of_number(
    request: TypedRequest[DocumentQuery, None] | TypedRequest[CoverQuery, None],
    account: int | None = None,
    read: Callable[[Rows, int], Printed | None] = closed,
) -> Response:
    """Return the document of the closed statement in the path, of an account if one is given, as
    it is read. Raises Problem."""
    number = request.path["number"]
    what = Told("statement {1}", number)
    statement_id = await request.find(stored.id_of_number, what, number, account)
    printed = await request.read(lambda db: closed(rows_of(db), statement_id).statement)
    what = Told("supplement to statement {1}", printed.printed_number or "")
    one = await request.find(lambda db: read(rows_of(db), statement_id), what)
    return document(request.api, as_paper(one), DocumentForm(request.query.format))


BILLER: Final = "/api/admin/biller"
LOGO: Final = f"{BILLER}/logo"
TEMPLATE: Final = f"{BILLER}/template"
TOML: Final = "application/toml"
LARGEST_TEMPLATE_BYTES: Final = 100_000
NOSNIFF: Final = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


class BillerBody(nouns.Biller, ClientInput):
    """Who bills. What is left out is empty. An IBAN is checked, and makes the QR code of a payment
    in EUR.

    - language [Language of new households]
    """

    language: Language | None = None


@ENDPOINTS.get(BILLER, Role.OPERATOR, "not_found")
async def get_biller(request: Request) -> BillerRow:
    """Show who bills."""
    what = Told("owner yet who bills; say who with levity-trio bill owner set")
    return await request.find(stored.biller, what)


@ENDPOINTS.put(BILLER, Role.ADMIN, "not_found")
async def set_biller(request: TypedRequest[None, BillerBody]) -> BillerRow:
    """Say who bills: logo and template stay."""
    fields: Values = {}
    for name, value in msgspec.structs.asdict(request.body).items():
        is_text = isinstance(value, str)
        fields[name] = (value.strip() or None) if is_text else value
    if fields["bank_account"]:
        fields["bank_account"] = grouped(fields["bank_account"])
    fields["name"] = fields["name"] or ""
    await request.write(writes.change_biller, fields)
    return await get_biller(request)


@ENDPOINTS.get(
    LOGO, Role.OPERATOR, "not_found", media_type="image/png", other_media_types=("image/jpeg",)
)
async def get_logo(request: Request) -> Response:
    """Download the logo."""
    biller = await _newest(request)
    if biller is None or biller.owner.logo is None:
        raise not_found("logo")
    logo = biller.owner.logo
    return Response(logo, headers=NOSNIFF, media_type=media_type(logo))


@ENDPOINTS.put(
    LOGO,
    Role.ADMIN,
    "not_found",
    "too_many_waiting",
    "not_made",
    summary=f"Give the logo of statements: a PNG or JPEG of {LARGEST_LOGO_BYTES:,} bytes at most.",
    body=StreamedBody("image/*"),
)
async def set_logo(request: Upload) -> BillerRow:
    logo = await content_of(request, LARGEST_LOGO_BYTES)
    try:
        # What is no picture is refused before a process is begun for it.
        media_type(logo)
        async with request.api.places.wait():
            await printing.check_logo(logo)
    except NotInstalled:
        raise
    except DocumentProblem as problem:
        raise invalid("body", str(problem)) from None
    await request.write(writes.change_biller, {"logo": logo})
    return await get_biller(request)


@ENDPOINTS.delete(LOGO, Role.ADMIN)
async def remove_logo(request: Request) -> None:
    """Remove the logo."""
    if await _newest(request) is not None:
        await request.write(writes.change_biller, {"logo": None})


@ENDPOINTS.get(TEMPLATE, Role.OPERATOR, media_type=TOML)
async def get_template(request: Request) -> Response:
    """Download the words and formats of statements, those of this program without own ones."""
    biller = await _newest(request)
    text = (biller and biller.template) or ENGLISH_TEXT
    return Response(text, headers=NOSNIFF, media_type=TOML)


@ENDPOINTS.put(TEMPLATE, Role.ADMIN, "not_found", body=StreamedBody(TOML))
async def set_template(request: Upload) -> BillerRow:
    """Give own words and formats of statements. Nothing is stored if the file has a fault."""
    content = await content_of(request, LARGEST_TEMPLATE_BYTES)
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        parse(text)
    except UnicodeDecodeError:
        raise invalid("body", Told("save the file as UTF-8")) from None
    except TemplateProblem as problem:
        faults = problem.args
        words, *others = faults
        if others:
            words = Told(
                "{2} (and {1} more fault)", len(others), words, many="{2} (and {1} more faults)"
            )
        raise invalid("body", words, faults=faults) from None
    await request.write(writes.change_biller, {"template": text})
    return await get_biller(request)


@ENDPOINTS.delete(TEMPLATE, Role.ADMIN)
async def remove_template(request: Request) -> None:
    """Return to the words and formats of this program."""
    if await _newest(request) is not None:
        await request.write(writes.change_biller, {"template": None})


async def _newest(request: Request) -> Biller | None:
    return await request.read(lambda db: newest_biller(rows_of(db)))
