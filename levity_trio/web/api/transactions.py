"""Transactions: lists by any filters, one, its readings, its events, and all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec

from levity_trio.billing.states import BillState
from levity_trio.store.reads import readings
from levity_trio.store.reads.billed import BilledTransaction, billed_transaction, billed_transactions
from levity_trio.store.reads.explain import Explanation, explain
from levity_trio.store.reads.explained import lines
from levity_trio.store.reads.readings import Reading
from levity_trio.store.reads.transactions import Filters, TransactionEvent, anonymous_event, events_of
from levity_trio.web.api.billing import rule
from levity_trio.web.api.endpoints import Asked, Endpoint, Role
from levity_trio.web.api.lists import Before, OfCharger, Page, Paged, Since, moment, page, page_of, shown, wanted, whole
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import show, shown_as

TAG: Final = "transactions"
TRANSACTIONS: Final = "/api/admin/transactions"
OF_STATE: Final = "Its state for the bill. Such a page may have fewer rows than its limit; next_cursor leads on."


class TransactionsQuery(Paged, kw_only=True, rename={"since": "from", "before": "to"}):
    charger: OfCharger = None
    connector: Annotated[int, msgspec.Meta(ge=0)] | None = None
    status: Literal["Active", "Completed"] | None = None
    tag: Annotated[str, msgspec.Meta(description="The idTag with which it began.")] | None = None
    since: Since = None
    before: Before = None
    review: Annotated[bool, msgspec.Meta(description="Whether a person should look at it.")] | None = None
    bill: Annotated[BillState, msgspec.Meta(description=OF_STATE)] | None = None
    sort: Literal["newest", "oldest"] = "newest"


class ReadingsQuery(Paged, kw_only=True):
    measurand: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InEnglish(Explanation):
    """All that is known of a transaction, as data and in plain English."""

    lines: tuple[str, ...]


async def list_transactions(asked: Asked) -> Page[Any]:
    query: TransactionsQuery = asked.query
    filters = Filters(
        charger=query.charger,
        connector=query.connector,
        status=query.status,
        tag=query.tag,
        since=moment(query.since, "from"),
        before=moment(query.before, "to"),
        review=query.review,
    )
    read = partial(
        billed_transactions,
        filters=filters,
        rule=rule(asked),
        wanted=wanted(query),
        state=query.bill,
        is_newest_first=query.sort == "newest",
    )
    return await page(asked.api, read)


async def get_transaction(asked: Asked) -> Any:
    number = asked.number()
    found = await asked.api.reader.run(partial(billed_transaction, number=number, rule=rule(asked)))
    if found is None:
        raise not_found(f"transaction {number}")
    return show(found)


async def list_readings(asked: Asked) -> Page[Any]:
    number, query = asked.number(), asked.query
    found = await asked.api.reader.run(lambda db: readings.of_transaction(db, number, query.measurand, wanted(query)))
    if found is None:
        raise not_found(f"transaction {number}")
    return shown(found)


async def list_events(asked: Asked) -> Page[Any]:
    number = asked.number()
    found = await asked.api.reader.run(partial(events_of, number=number))
    if not found:
        raise not_found(f"transaction {number}")
    return whole(found if asked.sees_all else [anonymous_event(one) for one in found])


async def explain_transaction(asked: Asked) -> Any:
    number = asked.number()
    found = await asked.api.reader.run(
        partial(explain, number=number, rule=rule(asked), is_anonymous=not asked.sees_all)
    )
    if found is None:
        raise not_found(f"transaction {number}")
    return show(found) | {"lines": [*lines(found)]}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=TRANSACTIONS,
        role=Role.VIEWER,
        tag=TAG,
        summary="List transactions, by the time at which they started.",
        handle=list_transactions,
        query=TransactionsQuery,
        answer=page_of(BilledTransaction),
        problems=("invalid",),
    ),
    Endpoint(
        method="GET",
        path=f"{TRANSACTIONS}/{{id}}",
        role=Role.VIEWER,
        tag=TAG,
        summary="Show one transaction.",
        handle=get_transaction,
        answer=shown_as(BilledTransaction),
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path=f"{TRANSACTIONS}/{{id}}/meter-values",
        role=Role.VIEWER,
        tag=TAG,
        summary="List the readings of a transaction, the oldest first.",
        handle=list_readings,
        query=ReadingsQuery,
        answer=page_of(Reading),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="GET",
        path=f"{TRANSACTIONS}/{{id}}/events",
        role=Role.VIEWER,
        tag=TAG,
        summary="List what happened to a transaction: who did it, why, and the message as sent.",
        handle=list_events,
        answer=page_of(TransactionEvent),
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path=f"{TRANSACTIONS}/{{id}}/explain",
        role=Role.VIEWER,
        tag=TAG,
        summary="Explain a transaction: all that is known of it, what speaks for and against its figure, and its bill.",
        handle=explain_transaction,
        answer=shown_as(InEnglish),
        problems=("not_found",),
    ),
)
