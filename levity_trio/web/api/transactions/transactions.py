"""Transactions: lists by any filters, one, its readings, its curve, its events, and all that is
known of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, tzinfo
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from levity_trio.billing.states import BillState
from levity_trio.documents.cells import inert
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import DEFAULT_ROWS, MOST_ROWS, ListPage, WantedPage
from levity_trio.store.reads.transactions import transactions
from levity_trio.store.reads.transactions.billed import (
    NEWEST,
    OLDEST,
    BilledTransaction,
    SortColumn,
    TransactionOrder,
    TransactionSums,
    billed_transaction,
    billed_transactions,
    sums_of,
)
from levity_trio.store.reads.transactions.curve import Curve, curve
from levity_trio.store.reads.transactions.explain import ExplainedTransaction, explain
from levity_trio.store.reads.transactions.explained import lines
from levity_trio.store.reads.transactions.signed import file_of
from levity_trio.store.reads.transactions.transactions import (
    Reading,
    TransactionEvent,
    TransactionFilters,
    anonymous_event,
    events_of,
)
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    HIGHEST_ID,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    TypedRequest,
    rule_of,
)
from levity_trio.web.api.engine.kilowatt_hours import extended
from levity_trio.web.api.engine.lists import (
    CSV,
    Before,
    EndedBefore,
    EndedSince,
    Limit,
    OfCharger,
    OfConnector,
    OneFormat,
    Paged,
    PageNumber,
    Since,
    encoded,
    every_page,
    masked,
    moment,
    page,
    wanted,
    whole,
)
from levity_trio.web.api.engine.papers import as_file
from levity_trio.web.api.engine.problems import not_found
from levity_trio.wire.times import in_zone

TAG: Final = "transactions"
ENDPOINTS: Final = Endpoints(TAG)
TRANSACTIONS: Final = "/api/admin/transactions"
COLUMNS: Final = (
    *("id", "charger", "connector", "space", "who", "id_tag", "start", "stop", "kwh"),
    *("confidence", "review", "bill"),
)
"""The columns of `levity-trio sessions --csv`, and names."""
OF_STATE: Final = "Its state for the bill."
OF_ACCOUNT: Final = "Only of this account."
TIMES: Final = {"newest": NEWEST, "oldest": OLDEST}
SortOfTransactions = Literal[
    "newest",
    "oldest",
    "place",
    "-place",
    "who",
    "-who",
    "energy",
    "-energy",
    "state",
    "-state",
    "bill",
    "-bill",
]
OF_SORT: Final = "By the time, or by a column; with - before it, descending."
OF_WEIGHED: Final = (
    "Whether today's rules weigh every reading again. Without that, there are no candidates, no "
    "kinds of readings, and no figure of today."
)


class FilterQuery(ClientInput, rename={"since": "from", "before": "to"}):
    """A filter of transactions."""

    charger: OfCharger = None
    connector: OfConnector = None
    status: Literal["Active", "Completed"] | None = None
    tag: Annotated[str, Meta(description="The idTag with which it began.")] | None = None
    since: Since = None
    before: Before = None
    ended_since: EndedSince = None
    ended_before: EndedBefore = None
    review: Annotated[bool, Meta(description="Whether a person should look at it.")] | None = None
    bill: Annotated[BillState, Meta(description=OF_STATE)] | None = None
    account: Annotated[int, Meta(ge=1, le=HIGHEST_ID, description=OF_ACCOUNT)] | None = None

    def filters(self) -> TransactionFilters:
        """Return them as the store takes them. Raises Problem."""
        return TransactionFilters(
            charger=self.charger,
            connector=self.connector,
            status=self.status,
            tag=self.tag,
            since=moment(self.since, "from"),
            before=moment(self.before, "to"),
            ended_since=moment(self.ended_since, "ended_since"),
            ended_before=moment(self.ended_before, "ended_before"),
            review=self.review,
            bill=self.bill,
            account=self.account,
        )


class TransactionsQuery(FilterQuery):
    page: PageNumber = 1
    limit: Limit = DEFAULT_ROWS
    cursor: str | None = None
    sort: Annotated[SortOfTransactions, Meta(description=OF_SORT)] = "newest"
    format: OneFormat = "json"


Listed = TypedRequest[TransactionsQuery, None]
Read = Callable[..., ListPage[BilledTransaction]]
"""Reads the page that is `wanted`."""


class ReadingsQuery(Paged):
    measurand: str | None = None


class ExplainQuery(ClientInput):
    weighed: Annotated[bool, Meta(description=OF_WEIGHED)] = True


@record
class TransactionExplanation(ExplainedTransaction):
    """All that is known of a transaction, as data and in plain English."""

    lines: tuple[str, ...]


@ENDPOINTS.get(TRANSACTIONS, Role.VIEWER, "invalid", other_media_types=(CSV,))
async def list_transactions(request: Listed) -> ListPage[BilledTransaction] | StreamingResponse:
    """List transactions by their start, or with ended_since or ended_before by their end; CSV
    too."""
    query = request.query
    # A wrong time is refused before a file begins, which then has its status already.
    query.filters()
    read = partial(read_transactions, query=query, sees_all=request.sees_all)
    if query.format == "csv":
        return StreamingResponse(_file(request, read), media_type=CSV)
    number = WantedPage(query.page, query.limit, query.cursor)
    return await page(request, read, wanted=number)


@ENDPOINTS.get("/api/admin/transaction-sums", Role.VIEWER, "invalid", "not_found")
async def get_sums(request: TypedRequest[FilterQuery, None]) -> TransactionSums:
    """Sum the transactions that fit a filter: energy, cost, and what of it is in doubt or not
    billed yet."""
    rule, now = rule_of(request.api), request.api.now()
    return await request.read(sums_of, filters=request.query.filters(), rule=rule, now=now)


def read_transactions(
    db: Database, query: TransactionsQuery, wanted: WantedPage, *, sees_all: bool
) -> ListPage[BilledTransaction]:
    """Return a page of transactions. Raises Problem, NoPage."""
    order = TIMES.get(query.sort, NEWEST)
    if query.sort not in TIMES and query.format != "csv":
        column = SortColumn(query.sort.removeprefix("-"))
        order = TransactionOrder(column, query.sort.startswith("-"), sees_all)
    return billed_transactions(db, query.filters(), wanted, order)


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}", Role.VIEWER, "not_found")
async def get_transaction(request: Request) -> BilledTransaction:
    """Show one transaction."""
    number = request.number()
    read = partial(billed_transaction, number=number)
    return await request.find(read, Told("session {1}", number))


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/meter-values", Role.VIEWER, "not_found", "invalid")
async def list_readings(request: TypedRequest[ReadingsQuery, None]) -> ListPage[Reading]:
    """List the readings of a transaction, the oldest first."""
    number, query = request.number(), request.query

    def read(db: Database) -> ListPage[Reading]:
        listed = transactions.of_transaction(db, number, query.measurand, wanted(query))
        if listed is None:
            raise not_found(Told("session {1}", number))
        return listed

    return await page(request, read)


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/curve", Role.VIEWER, "not_found")
async def get_curve(request: Request) -> Curve:
    """Show the power and the register of a transaction over its time, with few points."""
    number = request.number()
    return await request.find(curve, Told("session {1}", number), number=number)


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/events", Role.VIEWER, "not_found")
async def list_events(request: Request) -> ListPage[TransactionEvent]:
    """List what happened to a transaction: who did it, why, and the message as sent."""
    number = request.number()
    events = await request.read(events_of, number=number)
    if not events:
        raise not_found(Told("session {1}", number))
    if not request.sees_all:
        events = [anonymous_event(event) for event in events]
    return whole(events)


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/explain", Role.VIEWER, "not_found")
async def explain_transaction(request: TypedRequest[ExplainQuery, None]) -> TransactionExplanation:
    """Explain a transaction: all that is known of it, what speaks for and against its figure, and
    its bill."""
    number, sees_all, is_weighed = request.number(), request.sees_all, request.query.weighed
    read = partial(read_explanation, server=request.api, sees_all=sees_all, is_weighed=is_weighed)
    return await request.find(read, Told("session {1}", number), number=number)


XML: Final = "application/xml"


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/signed", Role.OPERATOR, "not_found", media_type=XML)
async def get_signed(request: Request) -> Response:
    """Download what the meter signed of a transaction, for the transparency software."""
    return await signed_file(request, file_of)


async def signed_file(request: Request, read: Callable[..., str | None]) -> Response:
    """Return the signed values of a session as a file. Raises Problem if there are none."""
    number = request.number()
    text = await request.find(
        read, Told("file with signed values of session {1}", number), number=number
    )
    return as_file(text.encode(), XML, f"session-{number}-signed.xml")


def read_explanation(
    db: Database, server: Server, number: int, *, sees_all: bool, is_weighed: bool
) -> TransactionExplanation | None:
    """Return all that is known of a transaction; None if it does not exist."""
    rule, now = rule_of(server), server.now()
    explanation = explain(
        db, number, rule, now=now, is_anonymous=not sees_all, is_weighed=is_weighed
    )
    if explanation is None:
        return None
    words = tuple(lines(explanation, server.config.time_zone))
    return extended(TransactionExplanation, explanation, lines=words)


# The file of transactions


async def _file(request: Listed, read: Read) -> AsyncIterator[bytes]:
    """Yield a file of all transactions that `read` reads, page by page, with times of the site."""
    yield encoded([COLUMNS])
    async for rows in every_page(request.api.reader, read, MOST_ROWS):
        transactions_shown = masked(request, rows, "id_tag")
        yield encoded(_cells(transaction, request.zone) for transaction in transactions_shown)


def _cells(transaction: BilledTransaction, zone: tzinfo) -> list[object]:
    wh = transaction.energy_wh
    # One that is open has no figure yet.
    if wh is None:
        wh = transaction.energy_so_far_wh
    stop = transaction.stop_time
    computed = {
        "start": _local(transaction.start_time, zone),
        "stop": stop and _local(stop, zone),
        "kwh": None if wh is None else wh / 1000,
    }
    cells: list[object] = []
    for name in COLUMNS:
        is_computed = name in computed
        cells.append(computed[name] if is_computed else inert(getattr(transaction, name)))
    return cells


def _local(text: str, zone: tzinfo) -> str:
    """Return a time of the site with its offset: an hour that a change of the clock repeats is told
    apart."""
    return in_zone(datetime.fromisoformat(text), zone).isoformat(timespec="seconds")
