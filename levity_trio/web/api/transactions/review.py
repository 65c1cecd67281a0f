"""What waits for a person, in one queue, and the decisions about it.

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

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal, TypeVar, TypeVarTuple

from msgspec import Meta

from levity_trio.billing.states import BillState
from levity_trio.charger.exchange import NotReadAgain, read_again
from levity_trio.records import Personal, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.engine.database import Database, UnitOfWork
from levity_trio.store.reads.chargers.charger_facts import Habit, habit
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.transactions import review_groups as alike
from levity_trio.store.reads.transactions import transactions as stored
from levity_trio.store.reads.transactions.bill.reading import bill_of, kind_of
from levity_trio.store.reads.transactions.bill.shape import Bill
from levity_trio.store.reads.transactions.review_groups import (
    MOST_SHOWN,
    GroupedTransaction,
    GroupPreview,
    NextSession,
    PageOf,
    ReviewGroup,
)
from levity_trio.store.reads.transactions.review_queue import (
    Counts,
    ReviewItem,
    counts,
    message,
    to_review,
)
from levity_trio.store.reads.transactions.transactions import Transaction
from levity_trio.store.writes.origin import StopWithData
from levity_trio.store.writes.transactions import decisions, waiting
from levity_trio.store.writes.transactions.decisions import (
    Correction,
    DecidedTransaction,
    Decision,
    DecisionRefused,
    DecisionResult,
    Foreseen,
    ShownFigure,
    correct,
)
from levity_trio.store.writes.transactions.decisions import DecisionProblem as Refusal
from levity_trio.store.writes.transactions.readings import MessageReadings
from levity_trio.store.writes.transactions.waiting import TransactionDetails
from levity_trio.told import Figure, Told
from levity_trio.web.api.chargers.chargers import known_charger
from levity_trio.web.api.engine.endpoints import (
    NOT_BLANK,
    WATT_HOURS,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
    rule_of,
)
from levity_trio.web.api.engine.lists import (
    LocalInstant,
    OfCharger,
    Paged,
    PageNumber,
    local_instant,
    page,
    wanted,
    whole,
)
from levity_trio.web.api.engine.openapi import OF_CODE
from levity_trio.web.api.engine.problems import Problem, invalid, not_found

TAG: Final = "review"
ENDPOINTS: Final = Endpoints(TAG)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
DECISION_PROBLEMS: Final = tuple(Refusal)
GROUPS: Final = "/api/admin/review/groups"
GROUP: Final = f"{GROUPS}/{{charger}}/{{cause}}"
HABIT: Final = "/api/admin/habits/{id}/ask"
MOST_WARNINGS: Final = 3
REPORTED: Final = "as reported"

OF_ALONE: Final = "Of ended transactions, only those that share charger and doubts with no other."
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
    charger: OfCharger = None
    kind: Literal["transaction", "message"] | None = None
    alone: Annotated[bool, Meta(description=OF_ALONE)] = False
    sort: Literal["newest", "oldest"] = "newest"


class ReviewBody(ClientInput):
    """Why. With `event`, the newest event that was seen, the decision is refused if the transaction
    has changed."""

    reason: Reason
    event: Id | None = None


Review = TypedRequest[object, ReviewBody]
"""A request that decides something."""


class ConfirmBody(ReviewBody):
    """Why, and the figure that was seen. One below what the charger reported is confirmed only with
    it."""

    figure_wh: Wh | None = None


class FigureBody(ReviewBody):
    """The figure, or the registers whose difference it is. Times are those of the bill; a tag only
    if none is known."""

    figure_wh: Wh | None = None
    meter_start_wh: Wh | None = None
    meter_stop_wh: Wh | None = None
    start_time: LocalInstant = None
    stop_time: LocalInstant = None
    id_tag: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class TransactionEndBody(ReviewBody):
    """When it ended, if that is known; with the register at its end, the figure is corrected,
    too."""

    stop_time: LocalInstant = None
    meter_stop_wh: Wh | None = None


class AttachmentBody(ReviewBody, kw_only=True):
    """The transaction, and the values of a stop that cannot be read."""

    transaction: Id
    stop_time: LocalInstant = None
    meter_stop_wh: Wh | None = None


class LostStartBody(ReviewBody):
    """What is known of a transaction of which only the stop arrived. What is left out is found by
    the readings."""

    connector: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    start_time: LocalInstant = None
    meter_start_wh: Wh | None = None
    id_tag: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    figure_wh: Wh | None = None
    stop_time: LocalInstant = None
    meter_stop_wh: Wh | None = None


# The queue


@ENDPOINTS.get("/api/admin/review", Role.OPERATOR, "invalid")
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


@ENDPOINTS.get("/api/admin/review/counts", Role.VIEWER)
async def count_waiting(request: Request) -> Counts:
    """Count what waits for a person, of each kind, with the times since when the newest wait"""
    return await request.read(counts)


# Decisions


@ENDPOINTS.post("/api/admin/transactions/{id}/confirm", Role.OPERATOR, *DECISION_PROBLEMS)
async def confirm_transaction(request: TypedRequest[None, ConfirmBody]) -> Transaction:
    """Make the figure of a transaction certain"""
    number, figure = request.number(), request.body.figure_wh
    return await _decided(request, decisions.confirm_shown, number, figure)


@ENDPOINTS.post("/api/admin/transactions/{id}/correct", Role.OPERATOR, *DECISION_PROBLEMS)
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


@ENDPOINTS.post("/api/admin/transactions/{id}/correct/preview", Role.OPERATOR, *DECISION_PROBLEMS)
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


@ENDPOINTS.post("/api/admin/transactions/{id}/close", Role.OPERATOR, *DECISION_PROBLEMS)
async def close_transaction(request: TypedRequest[None, TransactionEndBody]) -> Transaction:
    """Close an open transaction"""
    body = request.body
    at = _time(request, body.stop_time, "stop_time")
    close = partial(decisions.close, stop_time=at, meter_stop=body.meter_stop_wh)
    return await _decided(request, close, request.number())


@ENDPOINTS.post("/api/admin/reviews/{id}/dismiss", Role.OPERATOR, *DECISION_PROBLEMS)
async def dismiss_review(request: TypedRequest[None, ReviewBody]) -> Transaction:
    """Dismiss a doubt that does not question the figure"""
    return await _decided(request, decisions.dismiss_review, request.number())


@ENDPOINTS.post("/api/admin/set-aside/{id}/attach", Role.OPERATOR, *DECISION_PROBLEMS, "unreadable")
async def attach_message(request: TypedRequest[None, AttachmentBody]) -> Transaction:
    """Apply a message to a transaction"""
    body = request.body
    content = await _read_again(request, body)
    return await _decided(request, waiting.attach, request.number(), body.transaction, content)


@ENDPOINTS.post(
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
    return await _decided(request, waiting.make, request.number(), content, details)


@ENDPOINTS.post("/api/admin/set-aside/{id}/dismiss", Role.OPERATOR, *DECISION_PROBLEMS)
async def dismiss_message(request: TypedRequest[None, ReviewBody]) -> None:
    """Dismiss a message that affects no bill"""
    await decide(request, waiting.dismiss, request.number())


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
    reported, their `total_wh` is needed."""

    reason: Reason
    event: Id
    figure: Annotated[str, Meta(max_length=200)] = ""
    total_wh: Wh | None = None


class SeenBody(ClientInput):
    """A transaction as it was shown: its newest event, and the figure that it would get."""

    transaction: Id
    event: Id
    figure_wh: Wh


class GroupBody(ClientInput):
    """Why, and what was shown of each transaction. Its figure is confirmed, or corrected to the one
    that is sent."""

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


@ENDPOINTS.get(GROUPS, Role.OPERATOR)
async def list_groups(request: Request) -> ListPage[ReviewGroup]:
    """List the ended transactions in doubt by charger and cause, the largest groups first"""
    return whole(await request.read(alike.groups))


@ENDPOINTS.get(GROUP, Role.OPERATOR, "not_found")
async def get_group(request: TypedRequest[GroupQuery, None]) -> GroupPreview:
    """Show which figure each transaction of a group would get, and what becomes of the next one"""
    return await _preview(request, PageOf(request.query.page, request.query.limit))


async def _preview(request: Request, wanted: PageOf) -> GroupPreview:
    charger, cause = await known_charger(request, "charger"), request.path["cause"]
    read = partial(alike.preview, charger=charger, cause=cause, wanted=wanted)
    return await request.find(read, Told("cause {1}", cause))


@ENDPOINTS.post(f"{GROUP}/decide", Role.OPERATOR, "not_found")
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


@ENDPOINTS.post(f"{GROUP}/decide-all", Role.OPERATOR, "not_found")
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


@ENDPOINTS.post(HABIT, Role.OPERATOR, "not_found")
async def ask_about_habit(request: Request) -> Habit:
    """Ask a person again about each session that shows a habit"""
    is_habit = await request.write(decisions.ask_about, request.number())
    return await _changed(request, is_habit=is_habit)


@ENDPOINTS.delete(HABIT, Role.OPERATOR, "not_found")
async def stop_asking_about_habit(request: Request) -> Habit:
    """Let a known habit make figures certain again, without asking"""
    is_habit = await request.commit(decisions.stop_asking, request.number())
    return await _changed(request, is_habit=is_habit)


async def _changed(request: Request, *, is_habit: bool) -> Habit:
    number = request.number()
    if not is_habit:
        raise not_found(Told("habit {1} that makes figures certain", number))
    return await request.find(habit, Told("habit {1}", number), number=number)
