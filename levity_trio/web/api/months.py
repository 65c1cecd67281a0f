"""The months of billing: how far each is, and what of it is held back."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

import msgspec

from levity_trio.store.reads import months as stored
from levity_trio.store.reads.first_bill import FirstBill, first_bill
from levity_trio.store.reads.months import BillMonth, HeldBackTransaction
from levity_trio.web.api.billing import TAG, month_of
from levity_trio.web.api.endpoints import Asked, Endpoint, Role
from levity_trio.web.api.lists import Page, page_of, whole
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import show, shown_as
from levity_trio.web.api.statements import Month, draft_id

MONTHS: Final = "/api/admin/months"
AT_ONCE: Final = 24


class MonthsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The months before a cursor, which is one of them."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=120)] = AT_ONCE
    cursor: Month | None = None


async def list_months(asked: Asked) -> Page[Any]:
    query: MonthsQuery = asked.query
    zone, now = asked.api.config.time_zone, asked.api.now()
    read = partial(stored.months, zone=zone, now=now, before=query.cursor, most=query.limit + 1)
    found = await asked.api.reader.run(read)
    shown = found[: query.limit]
    next_cursor = shown[-1].month if len(found) > len(shown) else None
    return Page(data=show(shown), page=1, limit=query.limit, next_cursor=next_cursor)


async def get_month(asked: Asked) -> Any:
    month = month_of(asked)
    read = partial(stored.month, month=month, zone=asked.api.config.time_zone, now=asked.api.now())
    found = await asked.api.reader.run(read)
    if found is None:
        raise not_found(f"bill for {month}: it is before this system began to bill, or has not begun")
    return show(found)


async def list_held_back(asked: Asked) -> Page[Any]:
    return whole(await asked.api.reader.run(partial(stored.held_back_of_month, month=str(month_of(asked)))))


async def list_held_back_of_draft(asked: Asked) -> Page[Any]:
    return whole(await asked.api.reader.run(partial(stored.held_back_of_draft, draft=await draft_id(asked))))


async def get_first_bill(asked: Asked) -> Any:
    return show(await asked.api.reader.run(first_bill))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/admin/first-bill",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show what must be there before the first bill, and what of it is.",
        handle=get_first_bill,
        answer=shown_as(FirstBill),
    ),
    Endpoint(
        method="GET",
        path=MONTHS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List the months since this system bills, the newest first: how far each is, and what it comes to.",
        handle=list_months,
        query=MonthsQuery,
        answer=page_of(BillMonth),
    ),
    Endpoint(
        method="GET",
        path=f"{MONTHS}/{{month}}",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show how far a month is, and what it comes to.",
        handle=get_month,
        answer=shown_as(BillMonth),
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path="/api/admin/closings/{month}/held-back",
        role=Role.OPERATOR,
        tag=TAG,
        summary="List the sessions that the closed statements of a month did not ask for, and why.",
        handle=list_held_back,
        answer=page_of(HeldBackTransaction),
    ),
    Endpoint(
        method="GET",
        path="/api/admin/drafts/{month}/held-back",
        role=Role.OPERATOR,
        tag=TAG,
        summary="List the sessions that the statements of a draft do not ask for, and why.",
        handle=list_held_back_of_draft,
        answer=page_of(HeldBackTransaction),
        problems=("not_found",),
    ),
)
