"""Transactions: lists by any filters, one, its readings, its curve, its events, and all that is
known of it.

What waits for a person, in one queue, and the decisions about it.

Each decision is kept with the caller's name and the reason. One that was made before is answered as
done; one about a transaction that has changed since it was shown is refused, if the request names
the newest `event` that the caller saw.

Reviews of one charger with one cause are decided together. The request says of each transaction
what was shown: its newest event and the figure that it would get. One that has changed since is
left out, and the answer says so.

Reviews of one charger with one cause, decided together, and whether a person is asked about the
next ones.

The request of a decision says of each transaction what was shown: its newest event and the figure
that it would get. One that has changed since is left out, and the answer says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime, tzinfo
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal, TypeVar, TypeVarTuple

from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from levity_trio.billing.states import BillState
from levity_trio.charger.exchange import NotReadAgain, read_again
from levity_trio.documents.cells import inert
from levity_trio.records import Personal, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.engine.database import Database, UnitOfWork
from levity_trio.store.reads.chargers.chargers import Habit, habit
from levity_trio.store.reads.pages import DEFAULT_ROWS, MOST_ROWS, ListPage, WantedPage
from levity_trio.store.reads.transactions import reviews as alike
from levity_trio.store.reads.transactions import transactions
from levity_trio.store.reads.transactions import transactions as stored
from levity_trio.store.reads.transactions.bill import Bill, bill_of, kind_of
from levity_trio.store.reads.transactions.costs import (
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
from levity_trio.store.reads.transactions.explain import (
    ExplainedTransaction,
    explain,
    file_of,
    lines,
)
from levity_trio.store.reads.transactions.reviews import (
    MOST_SHOWN,
    Counts,
    GroupedTransaction,
    GroupPreview,
    NextSession,
    PageOf,
    ReviewGroup,
    ReviewItem,
    counts,
    message,
    to_review,
)
from levity_trio.store.reads.transactions.transactions import (
    Curve,
    Reading,
    Transaction,
    TransactionEvent,
    TransactionFilters,
    anonymous_event,
    curve,
    events_of,
)
from levity_trio.store.writes.origin import StopWithData
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import (
    Correction,
    DecidedTransaction,
    Decision,
    DecisionRefused,
    DecisionResult,
    Foreseen,
    ShownFigure,
    TransactionDetails,
    correct,
)
from levity_trio.store.writes.transactions.decisions import DecisionProblem as Refusal
from levity_trio.store.writes.transactions.readings import MessageReadings
from levity_trio.told import Figure, Told
from levity_trio.web.api.chargers.chargers import known_charger
from levity_trio.web.api.engine.endpoints import (
    HIGHEST_ID,
    NOT_BLANK,
    WATT_HOURS,
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
    LocalInstant,
    OfCharger,
    OfConnector,
    OneFormat,
    Paged,
    PageNumber,
    Since,
    encoded,
    every_page,
    local_instant,
    masked,
    moment,
    page,
    wanted,
    whole,
)
from levity_trio.web.api.engine.openapi import OF_CODE
from levity_trio.web.api.engine.papers import as_file
from levity_trio.web.api.engine.problems import Problem, invalid, not_found
from levity_trio.wire.times import in_zone

ENDPOINTS: Final = Endpoints("transactions")
TRANSACTIONS: Final = "/api/admin/transactions"
COLUMNS: Final = (
    *("id", "charger", "connector", "space", "who", "id_tag", "start", "stop", "kwh"),
    *("confidence", "review", "bill"),
)
"""The columns of `levity-trio sessions --csv`, and names."""
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


class FilterQuery(ClientInput, rename={"since": "from", "before": "to"}):
    """A filter of transactions.

    - status (--status STATUS): Only those that are open, or have ended.
    + tag: The idTag with which it began.
    + review: Whether a person should look at it.
    + bill: Its state for the bill.
    + account: Only of this household.
    """

    charger: OfCharger = None
    connector: OfConnector = None
    status: Literal["Active", "Completed"] | None = None
    tag: str | None = None
    since: Since = None
    before: Before = None
    ended_since: EndedSince = None
    ended_before: EndedBefore = None
    review: bool | None = None
    bill: BillState | None = None
    account: Annotated[int, Meta(ge=1, le=HIGHEST_ID)] | None = None

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
    """What is asked for.

    + sort: By the time, or by a column; with - before it, descending.
    """

    page: PageNumber = 1
    limit: Limit = DEFAULT_ROWS
    cursor: str | None = None
    sort: SortOfTransactions = "newest"
    format: OneFormat = "json"


Listed = TypedRequest[TransactionsQuery, None]
Read = Callable[..., ListPage[BilledTransaction]]
"""Reads the page that is `wanted`."""


class ReadingsQuery(Paged):
    """What is asked for.

    - measurand: Only of this measurand.
    """

    measurand: str | None = None


class ExplainQuery(ClientInput):
    """What is asked for.

    + weighed: Whether today's rules weigh every reading again. Without that, there are no
      candidates, no kinds of readings, and no figure of today.
    """

    weighed: bool = True


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


REVIEW_ENDPOINTS: Final = Endpoints("review", ENDPOINTS)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
DECISION_PROBLEMS: Final = tuple(Refusal)
GROUPS: Final = "/api/admin/review/groups"
GROUP: Final = f"{GROUPS}/{{charger}}/{{cause}}"
HABIT: Final = "/api/admin/habits/{id}/ask"
MOST_WARNINGS: Final = 3
REPORTED: Final = "as reported"

Wh = Annotated[int, Meta(ge=0, lt=2**53, extra_json_schema=WATT_HOURS)]
Id = Annotated[int, Meta(ge=1, le=2**62)]


Reason = Annotated[
    Personal[str],
    Meta(
        description="The household of the session can read it.",
        min_length=1,
        max_length=500,
        pattern=r"\S",
        extra=NOT_BLANK,
    ),
]


class QueueQuery(Paged):
    """What is asked for.

    - kind (--kind KIND): Only these.
    + alone: Of ended transactions, only those that share charger and doubts with no other.
    """

    charger: OfCharger = None
    kind: Literal["transaction", "message"] | None = None
    alone: bool = False
    sort: Literal["newest", "oldest"] = "newest"


class ReviewBody(ClientInput):
    """Why. With `event`, the newest event that was seen, the decision is refused if the transaction
    has changed.

    - reason (--reason TEXT): Why; it is kept with your name.
    """

    reason: Reason
    event: Id | None = None


Review = TypedRequest[object, ReviewBody]
"""A request that decides something."""


class ConfirmBody(ReviewBody):
    """Why, and the figure that was seen. One below what the charger reported is confirmed only with
    it.

    - figure_wh (--kwh KWH): The figure that you confirm; needed if the charger reported more.
    """

    figure_wh: Wh | None = None


class FigureBody(ReviewBody):
    """The figure, or the registers whose difference it is. Times are those of the bill; a tag only
    if none is known.

    - figure_wh (--kwh KWH): The energy, if it is not the difference of the registers.
    - meter_start_wh (--start-kwh KWH): The register at its start.
    - meter_stop_wh (--stop-kwh KWH): The register at its end.
    - start_time (--start-time TIME): When it began, for the bill, as 2026-03-01T12:00 at the
      site.
    - stop_time (--stop-time TIME): When it ended, for the bill, likewise.
    - id_tag (--card CARD): The card, if none is known.
    """

    figure_wh: Wh | None = None
    meter_start_wh: Wh | None = None
    meter_stop_wh: Wh | None = None
    start_time: LocalInstant = None
    stop_time: LocalInstant = None
    id_tag: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class TransactionEndBody(ReviewBody):
    """When it ended, if that is known; with the register at its end, the figure is corrected,
    too.

    - stop_time (--stop-time TIME): When it ended, as 2026-03-01T13:00 at the site; now, if not
      given.
    - meter_stop_wh (--stop-kwh KWH): The register at its end; the figure is then corrected.
    """

    stop_time: LocalInstant = None
    meter_stop_wh: Wh | None = None


class AttachmentBody(ReviewBody, kw_only=True):
    """The transaction, and the values of a stop that cannot be read.

    - transaction: The session to which the message belongs.
    - stop_time (--stop-time TIME): Its time, if it cannot be read: 2026-03-01T13:00 at the
      site.
    - meter_stop_wh (--stop-kwh KWH): The register, if the stop has none that can be read.
    """

    transaction: Id
    stop_time: LocalInstant = None
    meter_stop_wh: Wh | None = None


class LostStartBody(ReviewBody):
    """What is known of a transaction of which only the stop arrived. What is left out is found by
    the readings.

    - connector (--connector NUMBER): Its connector, if no reading shows it.
    - start_time (--start-time TIME): When it began, if no reading shows it: 2026-03-01T12:00 at
      the site.
    - meter_start_wh (--start-kwh KWH): The register at its start.
    - meter_stop_wh (--stop-kwh KWH): The register, if the stop has none that can be read.
    - stop_time (--stop-time TIME): Its time, if it cannot be read: 2026-03-01T13:00 at the
      site.
    - id_tag (--card CARD): The card, if the stop has none.
    - figure_wh (--kwh KWH): Its energy, if you know it.
    """

    connector: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    start_time: LocalInstant = None
    meter_start_wh: Wh | None = None
    id_tag: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    figure_wh: Wh | None = None
    stop_time: LocalInstant = None
    meter_stop_wh: Wh | None = None


# The queue


@REVIEW_ENDPOINTS.get("/api/admin/review", Role.OPERATOR, "invalid")
async def list_queue(request: TypedRequest[QueueQuery, None]) -> ListPage[ReviewItem]:
    """List what waits for a person; an answer is sent to /api/admin/{subject}/{id}/{answer}"""
    query = request.query
    read = partial(
        to_review,
        charger=query.charger,
        kind=query.kind,
        is_newest_first=query.sort == "newest",
        is_alone=query.alone,
        wanted=wanted(query),
    )
    return await page(request, read)


@REVIEW_ENDPOINTS.get("/api/admin/review/counts", Role.VIEWER)
async def count_waiting(request: Request) -> Counts:
    """Count what waits for a person, of each kind, with the times since when the newest wait"""
    return await request.read(counts)


# Decisions


@REVIEW_ENDPOINTS.post("/api/admin/transactions/{id}/confirm", Role.OPERATOR, *DECISION_PROBLEMS)
async def confirm_transaction(request: TypedRequest[None, ConfirmBody]) -> Transaction:
    """Make the figure of a transaction certain"""
    number, figure = request.number(), request.body.figure_wh
    return await _decided(request, decisions.confirm_shown, number, figure)


@REVIEW_ENDPOINTS.post("/api/admin/transactions/{id}/correct", Role.OPERATOR, *DECISION_PROBLEMS)
async def correct_transaction(request: TypedRequest[None, FigureBody]) -> Transaction:
    """Set the figure of a transaction"""
    return await _decided(request, correct, request.number(), _correction(request))


def _correction(request: TypedRequest[None, FigureBody]) -> Correction:
    body = request.body
    return Correction(
        figure_wh=body.figure_wh,
        meter_start=body.meter_start_wh,
        meter_stop=body.meter_stop_wh,
        start_time=_time(request, body.start_time, "start_time"),
        stop_time=_time(request, body.stop_time, "stop_time"),
        id_tag=body.id_tag,
    )


@record
class CorrectionPreview:
    """What a correction would make of a transaction, and of its bill. `amount` is its new price in
    minor units of `currency` (null: it has none, and `words` say why), `billed_amount` what closed
    statements have of it (null: none has it). Where one has, the household's next statement
    corrects the difference."""

    energy_wh: int
    start_time: str
    stop_time: str | None
    account: int | None
    currency: str | None
    prices: str | None
    amount: int | None
    billed_amount: int | None
    words: str | None


@REVIEW_ENDPOINTS.post(
    "/api/admin/transactions/{id}/correct/preview", Role.OPERATOR, *DECISION_PROBLEMS
)
async def preview_correction(request: TypedRequest[None, FigureBody]) -> CorrectionPreview:
    """Show what a correction would change; nothing is changed"""
    number, billed_by = request.number(), rule_of(request.api)
    read = partial(_bill, number=number, rule=billed_by)
    bill = await request.find(read, Told("session {1}", number))
    try:
        await decide(request, decisions.foresee, number, _correction(request), billed_by)
    except Foreseen as foreseen:
        tx, priced = foreseen.tx, foreseen.priced
    else:
        # The write ends with an error, so that nothing of it is kept.
        raise AssertionError("what was foreseen was kept")

    currency, prices = None, None
    if bill.state != BillState.BILLED_ELSEWHERE and priced.versions is not None:
        currency, prices = kind_of(priced.versions)
    return CorrectionPreview(
        energy_wh=tx.energy_delivered or 0,
        start_time=tx.start_time,
        stop_time=tx.stop_time,
        account=priced.account,
        currency=None if currency is None else currency.code,
        prices=prices,
        amount=None if currency is None else priced.position.amount,
        billed_amount=bill.billed_amount,
        words=priced.words,
    )


def _bill(db: Database, number: int, rule: Rule) -> Bill | None:
    try:
        return bill_of(db, number, rule)
    except LookupError:
        return None


@REVIEW_ENDPOINTS.post("/api/admin/transactions/{id}/close", Role.OPERATOR, *DECISION_PROBLEMS)
async def close_transaction(request: TypedRequest[None, TransactionEndBody]) -> Transaction:
    """Close an open transaction"""
    body = request.body
    at = _time(request, body.stop_time, "stop_time")
    close = partial(decisions.close, stop_time=at, meter_stop=body.meter_stop_wh)
    return await _decided(request, close, request.number())


@REVIEW_ENDPOINTS.post("/api/admin/reviews/{id}/dismiss", Role.OPERATOR, *DECISION_PROBLEMS)
async def dismiss_review(request: TypedRequest[None, ReviewBody]) -> Transaction:
    """Dismiss a doubt that does not question the figure"""
    return await _decided(request, decisions.dismiss_review, request.number())


@REVIEW_ENDPOINTS.post(
    "/api/admin/set-aside/{id}/attach", Role.OPERATOR, *DECISION_PROBLEMS, "unreadable"
)
async def attach_message(request: TypedRequest[None, AttachmentBody]) -> Transaction:
    """Apply a message to a transaction"""
    body = request.body
    content = await _read_again(request, body)
    return await _decided(
        request, decisions.attach_message, request.number(), body.transaction, content
    )


@REVIEW_ENDPOINTS.post(
    "/api/admin/set-aside/{id}/make-transaction", Role.OPERATOR, *DECISION_PROBLEMS, "unreadable"
)
async def make_transaction(request: TypedRequest[None, LostStartBody]) -> Transaction:
    """Make a transaction of a stop"""
    body = request.body
    content = await _read_again(request, body)
    if not isinstance(content, StopWithData):
        words = Told("a session is made of a stop; attach readings to one")
        raise Problem(HTTPStatus.CONFLICT, "wrong_state", words)
    details = TransactionDetails(
        connector=body.connector,
        start_time=_time(request, body.start_time, "start_time"),
        meter_start=body.meter_start_wh,
        id_tag=body.id_tag,
        figure_wh=body.figure_wh,
    )
    return await _decided(request, decisions.make_transaction, request.number(), content, details)


@REVIEW_ENDPOINTS.post("/api/admin/set-aside/{id}/dismiss", Role.OPERATOR, *DECISION_PROBLEMS)
async def dismiss_message(request: TypedRequest[None, ReviewBody]) -> None:
    """Dismiss a message that affects no bill"""
    await decide(request, decisions.dismiss_message, request.number())


async def _decided(
    request: Review, write: Callable[[UnitOfWork, *Ts, Decision], StoredTransaction], *values: *Ts
) -> Transaction:
    """Make a decision about a transaction; return the transaction after it."""
    tx = await decide(request, write, *values)
    return await request.find(stored.transaction, Told("session {1}", tx.id), number=tx.id)


async def decide(
    request: Review, write: Callable[[UnitOfWork, *Ts, Decision], T], *values: *Ts
) -> T:
    """Make a decision, of which the body has the reason. Raises Problem."""
    body = request.body
    at = request.api.stamp()
    decision = Decision(request.caller.name, body.reason, at, body.event)
    try:
        return await request.commit(write, *values, decision)
    except DecisionRefused as refused:
        members = {} if refused.field is None else {"field": refused.field}
        raise Problem(OF_CODE[refused.problem], refused.problem, refused.words, **members) from None


async def _read_again(
    request: Request, body: AttachmentBody | LostStartBody
) -> StopWithData | MessageReadings:
    """Return what a message says, with the values of the request for what cannot be read. Raises
    Problem."""
    number = request.number()
    what = Told("message {1} that was set aside", number)
    kept = await request.find(message, what, number=number)
    known: dict[str, str | int] = {}
    if body.meter_stop_wh is not None:
        known["meterStop"] = body.meter_stop_wh
    stop_time = _time(request, body.stop_time, "stop_time")
    if stop_time is not None:
        known["timestamp"] = stop_time
    try:
        return read_again(kept.frame, datetime.fromisoformat(kept.received_at), known)
    except NotReadAgain as error:
        words = Told("{1}; give what cannot be read", str(error))
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unreadable", words) from None


def _time(request: Request, text: str | None, field: str) -> str | None:
    """Return a time in the database's format; one without an offset is that of the site. Raises
    Problem."""
    return local_instant(text, field, request.zone)


class GroupQuery(ClientInput):
    """The transactions of a group that are shown."""

    page: PageNumber = 1
    limit: Annotated[int, Meta(ge=1, le=MOST_SHOWN)] = MOST_SHOWN


class WholeGroupBody(ClientInput):
    """Why, and what was shown: the newest event of the site then, and the name of the figure that
    each transaction gets; without one, the proposed one. If these come to less than the charger
    reported, their `total_wh` is needed.

    - event: The newest event of the site, as it was shown.
    - figure: The name of the figure that each session gets; the proposed one, if left out.
    - total_wh (--kwh KWH): What they come to together; needed if the charger reported more.
    """

    reason: Reason
    event: Id
    figure: Annotated[str, Meta(max_length=200)] = ""
    total_wh: Wh | None = None


class SeenBody(ClientInput):
    """A transaction as it was shown: its newest event, and the figure that it would get.

    - event: Its newest event.
    - figure_wh: The figure that it would get, in Wh.
    """

    transaction: Id
    event: Id
    figure_wh: Wh


class GroupBody(ClientInput):
    """Why, and what was shown of each transaction. Its figure is confirmed, or corrected to the one
    that is sent.

    - sessions: What was shown of each session; 100 at most.
    """

    reason: Reason
    sessions: Annotated[list[SeenBody], Meta(min_length=1, max_length=MOST_SHOWN)]


@record
class GroupResult:
    """What came of a decision about one transaction: decided, already (somebody settled it with
    this figure), changed (it is not as it was shown, so nothing was decided) or refused (`words`
    say why). `energy_wh` is its present figure.
    """

    transaction: int
    result: DecisionResult
    energy_wh: int | None
    words: str | None


@record
class GroupDecision:
    """What came of a decision about a group. `next` is what becomes of the next session of the
    kind."""

    decided: int
    left_out: int
    results: tuple[GroupResult, ...]
    next: tuple[NextSession, ...]
    warnings: tuple[str, ...]


@REVIEW_ENDPOINTS.get(GROUPS, Role.OPERATOR)
async def list_groups(request: Request) -> ListPage[ReviewGroup]:
    """List the ended transactions in doubt by charger and cause, the largest groups first"""
    return whole(await request.read(alike.groups))


@REVIEW_ENDPOINTS.get(GROUP, Role.OPERATOR, "not_found")
async def get_group(request: TypedRequest[GroupQuery, None]) -> GroupPreview:
    """Show which figure each transaction of a group would get, and what becomes of the next one"""
    return await _preview(request, PageOf(request.query.page, request.query.limit))


async def _preview(request: Request, wanted: PageOf) -> GroupPreview:
    charger, cause = await known_charger(request, "charger"), request.path["cause"]
    read = partial(alike.preview, charger=charger, cause=cause, wanted=wanted)
    return await request.find(read, Told("cause {1}", cause))


@REVIEW_ENDPOINTS.post(f"{GROUP}/decide", Role.OPERATOR, "not_found")
async def decide_group(request: TypedRequest[None, GroupBody]) -> GroupDecision:
    """Decide about many transactions at once, each with the figure that was shown"""
    charger = await known_charger(request, "charger")
    seen = request.body.sessions
    if len({session.transaction for session in seen}) < len(seen):
        raise invalid("sessions", Told("give each session once"))
    figures = [
        ShownFigure(session.transaction, session.event, session.figure_wh) for session in seen
    ]
    decision = Decision(request.caller.name, request.body.reason, request.api.stamp())
    decided = await request.commit(decisions.decide, charger, figures, decision)
    return await _outcome(request, decided)


@REVIEW_ENDPOINTS.post(f"{GROUP}/decide-all", Role.OPERATOR, "not_found")
async def decide_whole_group(request: TypedRequest[None, WholeGroupBody]) -> GroupDecision:
    """Decide about all transactions of a group at once, each with the figure that was shown

    What has changed since it was shown is left out. They are decided in parts of 100; if the server
    stops in between, the same request decides about the rest.
    """
    charger, cause = await known_charger(request, "charger"), request.path["cause"]
    body = request.body
    decision = Decision(request.caller.name, body.reason, request.api.stamp())
    members = partial(alike.members, charger=charger, cause=cause)
    numbers = await request.find(members, Told("cause {1}", cause))
    shown: list[GroupedTransaction] = []
    for begin in range(0, len(numbers), MOST_SHOWN):
        part = numbers[begin : begin + MOST_SHOWN]
        shown += await request.read(alike.grouped, numbers=part)

    figures: list[ShownFigure] = []
    outcomes: list[DecidedTransaction] = []
    for tx in shown:
        wh = tx.figures.get(body.figure) if body.figure else tx.energy_wh
        if tx.event > body.event or wh is None:
            outcomes.append(DecidedTransaction(tx.id, DecisionResult.CHANGED, tx.energy_wh))
        else:
            figures.append(ShownFigure(tx.id, tx.event, wh))
    # If some have changed, the total is not the one that was seen.
    if not outcomes:
        _check_total(shown, sum(figure.figure_wh for figure in figures), body.total_wh)

    for begin in range(0, len(figures), MOST_SHOWN):
        part_of_figures = figures[begin : begin + MOST_SHOWN]
        outcomes += await request.commit(decisions.decide, charger, part_of_figures, decision)
    return await _outcome(request, outcomes)


def _check_total(shown: Sequence[GroupedTransaction], total: int, seen: int | None) -> None:
    """Refuse figures that come to less than the charger reported, unless their total was seen.
    Raises Problem."""
    kwh = Figure(total / 1000, 3)
    # What was seen is more if a part was decided before.
    if seen is not None and seen < total:
        words = Told("they come to {1} kWh now: look at them again", kwh)
        raise Problem(HTTPStatus.CONFLICT, "changed", words)
    reported = sum(tx.figures.get(REPORTED, 0) for tx in shown)
    if seen is None and total < reported:
        words = Told(
            "they come to {1} kWh, though the charger reported {2} kWh",
            *(kwh, Figure(reported / 1000, 3)),
        )
        raise invalid("total_wh", Told("{1}: give the total that you confirm", words))


async def _outcome(request: Request, decided: Sequence[DecidedTransaction]) -> GroupDecision:
    """Return what came of a decision, and what becomes of the next session."""
    results = tuple(GroupResult(**result._asdict()) for result in decided)
    not_decided = (DecisionResult.CHANGED, DecisionResult.REFUSED)
    left_out = [result for result in results if result.result in not_decided]
    preview = await _preview(request, PageOf())
    return GroupDecision(
        decided=len(results) - len(left_out),
        left_out=len(left_out),
        results=results,
        next=preview.next,
        warnings=tuple(_warnings(left_out)),
    )


def _warnings(left_out: list[GroupResult]) -> Iterator[str]:
    for result in left_out[:MOST_WARNINGS]:
        number = result.transaction
        if result.result != DecisionResult.CHANGED:
            yield Told("session {1} was left out: {2}", number, result.words or "")
        elif result.energy_wh is None:
            yield Told(
                "session {1} has changed since it was shown; nothing was decided about it", number
            )
        else:
            yield Told(
                "session {1} has changed since it was shown and has {2} kWh now; nothing was "
                "decided about it",
                *(number, Figure(result.energy_wh / 1000, 3)),
            )
    more = len(left_out) - MOST_WARNINGS
    if more > 0:
        yield Told("{1} more were left out; look at them again", more)


# Habits


@REVIEW_ENDPOINTS.post(HABIT, Role.OPERATOR, "not_found")
async def ask_about_habit(request: Request) -> Habit:
    """Ask a person again about each session that shows a habit"""
    is_habit = await request.write(decisions.ask_about, request.number())
    return await _changed(request, is_habit=is_habit)


@REVIEW_ENDPOINTS.delete(HABIT, Role.OPERATOR, "not_found")
async def stop_asking_about_habit(request: Request) -> Habit:
    """Let a known habit make figures certain again, without asking"""
    is_habit = await request.commit(decisions.stop_asking, request.number())
    return await _changed(request, is_habit=is_habit)


async def _changed(request: Request, *, is_habit: bool) -> Habit:
    number = request.number()
    if not is_habit:
        raise not_found(Told("habit {1} that makes figures certain", number))
    return await request.find(habit, Told("habit {1}", number), number=number)
