"""Transactions: lists by any filters, one, its readings, its curve, its events, and all that is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.responses import StreamingResponse

from levity_trio.billing.states import BillState
from levity_trio.store.database import Database
from levity_trio.store.reads import pages, readings
from levity_trio.store.reads.billed import BilledTransaction, OfBill, billed_transaction, billed_transactions
from levity_trio.store.reads.curve import Curve, curve
from levity_trio.store.reads.explain import Explanation, explain
from levity_trio.store.reads.explained import lines
from levity_trio.store.reads.pages import Wanted
from levity_trio.store.reads.readings import Reading
from levity_trio.store.reads.transactions import Filters, TransactionEvent, anonymous_event, events_of
from levity_trio.web.api import transaction_file
from levity_trio.web.api.billing import rule
from levity_trio.web.api.endpoints import HIGHEST_ID, Asked, Endpoint, Role
from levity_trio.web.api.lists import (
    Before,
    EndedBefore,
    EndedSince,
    OfCharger,
    OfConnector,
    Page,
    Paged,
    Since,
    hidden,
    hidden_in,
    moment,
    page,
    page_of,
    wanted,
    whole,
)
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import show, shown_as

TAG: Final = "transactions"
TRANSACTIONS: Final = "/api/admin/transactions"
CSV: Final = "text/csv"
PERSONAL: Final = ("who", "space")
"""What a viewer sees as null."""
FEWER: Final = "Such a page may have fewer rows than its limit; next_cursor leads on."
OF_STATE: Final = f"Its state for the bill. {FEWER}"
OF_ACCOUNT: Final = f"Only of this account. {FEWER}"
OF_FORMAT: Final = "A page as JSON, or all rows as CSV."
OF_WEIGHED: Final = (
    "Whether today's rules weigh every reading again. Without that, there are no candidates, no kinds of readings, and"
    " no figure of today."
)


class TransactionsQuery(Paged, kw_only=True, rename={"since": "from", "before": "to"}):
    charger: OfCharger = None
    connector: OfConnector = None
    status: Literal["Active", "Completed"] | None = None
    tag: Annotated[str, msgspec.Meta(description="The idTag with which it began.")] | None = None
    since: Since = None
    before: Before = None
    ended_since: EndedSince = None
    ended_before: EndedBefore = None
    review: Annotated[bool, msgspec.Meta(description="Whether a person should look at it.")] | None = None
    bill: Annotated[BillState, msgspec.Meta(description=OF_STATE)] | None = None
    account: Annotated[int, msgspec.Meta(ge=1, le=HIGHEST_ID, description=OF_ACCOUNT)] | None = None
    sort: Literal["newest", "oldest"] = "newest"
    format: Annotated[Literal["json", "csv"], msgspec.Meta(description=OF_FORMAT)] = "json"


class ReadingsQuery(Paged, kw_only=True):
    measurand: str | None = None


class ExplainQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    weighed: Annotated[bool, msgspec.Meta(description=OF_WEIGHED)] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionExplanation(Explanation):
    """All that is known of a transaction, as data and in plain English."""

    lines: tuple[str, ...]


async def list_transactions(asked: Asked) -> Any:
    query: TransactionsQuery = asked.query
    if query.format == "csv":
        zone = asked.api.config.time_zone
        return StreamingResponse(transaction_file.write(asked.api.reader, _reading(asked), zone), media_type=CSV)
    return await page(asked.api, partial(_reading(asked), wanted=wanted(query)))


def _reading(asked: Asked) -> Callable[..., pages.Page[BilledTransaction]]:
    """Return what reads a page of the transactions that were asked for. Raises Problem."""
    query: TransactionsQuery = asked.query
    filters = Filters(
        charger=query.charger,
        connector=query.connector,
        status=query.status,
        tag=query.tag,
        since=moment(query.since, "from"),
        before=moment(query.before, "to"),
        ended_since=moment(query.ended_since, "ended_since"),
        ended_before=moment(query.ended_before, "ended_before"),
        review=query.review,
    )
    of_bill, is_newest_first = OfBill(query.bill, query.account), query.sort == "newest"

    def read(db: Any, wanted: Wanted) -> pages.Page[BilledTransaction]:
        found = billed_transactions(db, filters, rule(asked), wanted, of_bill=of_bill, is_newest_first=is_newest_first)
        return hidden_in(asked, found, *PERSONAL)

    return read


async def get_transaction(asked: Asked) -> Any:
    number = asked.number()
    found = await asked.api.reader.run(partial(billed_transaction, number=number, rule=rule(asked)))
    if found is None:
        raise not_found(f"transaction {number}")
    return show(hidden(asked, [found], *PERSONAL)[0])


async def get_curve(asked: Asked) -> Any:
    number = asked.number()
    found = await asked.api.reader.run(partial(curve, number=number))
    if found is None:
        raise not_found(f"transaction {number}")
    return show(found)


async def list_readings(asked: Asked) -> Page[Any]:
    number, query = asked.number(), asked.query

    def read(db: Database) -> pages.Page[Reading]:
        found = readings.of_transaction(db, number, query.measurand, wanted(query))
        if found is None:
            raise not_found(f"transaction {number}")
        return found

    return await page(asked.api, read)


async def list_events(asked: Asked) -> Page[Any]:
    number = asked.number()
    found = await asked.api.reader.run(partial(events_of, number=number))
    if not found:
        raise not_found(f"transaction {number}")
    return whole(found if asked.sees_all else [anonymous_event(one) for one in found])


async def explain_transaction(asked: Asked) -> Any:
    number = asked.number()
    found = await asked.api.reader.run(
        partial(
            explain,
            number=number,
            rule=rule(asked),
            is_anonymous=not asked.sees_all,
            is_weighed=asked.query.weighed,
        )
    )
    if found is None:
        raise not_found(f"transaction {number}")
    return show(found) | {"lines": [*lines(found, asked.api.config.time_zone)]}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=TRANSACTIONS,
        role=Role.VIEWER,
        tag=TAG,
        summary="List transactions by their start, or with ended_since or ended_before by their end; CSV too.",
        handle=list_transactions,
        query=TransactionsQuery,
        answer=page_of(BilledTransaction),
        other_media_types=(CSV,),
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
        path=f"{TRANSACTIONS}/{{id}}/curve",
        role=Role.VIEWER,
        tag=TAG,
        summary="Show the power and the register of a transaction over its time, with few points.",
        handle=get_curve,
        answer=shown_as(Curve),
        problems=("not_found",),
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
        query=ExplainQuery,
        answer=shown_as(TransactionExplanation),
        problems=("not_found",),
    ),
)
