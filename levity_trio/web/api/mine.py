"""What belongs to a driver's household: its tags, its sessions, its statements. Others' do not exist here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import partial
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from starlette.responses import Response

from levity_trio.documents.json_file import StatementDocument
from levity_trio.documents.paper import Form
from levity_trio.store.reads import mine as stored
from levity_trio.store.reads import pages
from levity_trio.store.reads.curve import Curve
from levity_trio.store.reads.mine import DriversTransaction
from levity_trio.store.reads.pages import DEFAULT_ROWS, MOST_ROWS
from levity_trio.store.reads.statements import ClosedStatement, closed_statements, id_of_own
from levity_trio.web.api.driving import ME, TAG, account_of, household, tags_of, why_not
from levity_trio.web.api.endpoints import HIGHEST_ID, Asked, Endpoint, Role
from levity_trio.web.api.lists import Page, Paged, page, page_of, wanted, whole
from levity_trio.web.api.papers import MEDIA_TYPES, document
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import Later, answer, show, shown_as
from levity_trio.web.api.statements import NOT_MADE, DocumentQuery, paper_of
from levity_trio.wire.times import in_zone

T = TypeVar("T")
TRANSACTIONS: Final = f"{ME}/transactions"
STATEMENTS: Final = f"{ME}/statements"


class OwnQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Some sessions; `before` is the `next` of the answer before."""

    open: Annotated[bool, msgspec.Meta(description="Whether only open ones, or only ended ones.")] | None = None
    before: Annotated[int, msgspec.Meta(ge=1, le=HIGHEST_ID, description="Those before this one.")] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] = DEFAULT_ROWS


class Listing(msgspec.Struct, Generic[T], kw_only=True):
    """Sessions of a household, the newest first. `next` leads to older ones; it is null at the end."""

    data: list[T]
    limit: int
    next: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriversTag:
    """A tag of the household. `note` is what it is called, `why_not` why it may not charge now."""

    id_tag: str
    note: str | None
    is_valid: bool
    why_not: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriversStatement:
    """A closed statement of the household. `total` is in minor units of its currency, `date` the day of its closing.

    One that is carried asks for nothing: the next one does.
    """

    number: int
    month: str
    date: str
    currency: str
    total: int
    is_carried: bool
    sessions: int
    energy_wh: int


async def list_tags(asked: Asked) -> Page[Any]:
    return whole([_tag(asked, one) for one in await tags_of(asked)])


def _tag(asked: Asked, one: Any) -> DriversTag:
    words = why_not(asked, one)
    return DriversTag(id_tag=one.id_tag, note=one.name, is_valid=words is None, why_not=words)


# Sessions


async def list_transactions(asked: Asked) -> Listing[Any]:
    query: OwnQuery = asked.query
    read = partial(
        stored.transactions,
        household=household(asked),
        limit=query.limit,
        before=query.before,
        is_open=query.open,
    )
    found = await asked.api.reader.run(read)
    if found is None:
        raise not_found(f"transaction {query.before}")
    return Listing(data=show(found.data), limit=query.limit, next=found.next)


async def get_transaction(asked: Asked) -> Any:
    return await _own(asked, stored.transaction)


async def get_curve(asked: Asked) -> Any:
    return await _own(asked, stored.own_curve)


async def _own(asked: Asked, read: Any) -> Any:
    """Return what is read of a session of the household. Raises Problem for any other."""
    own, number = household(asked), asked.number()
    found = await asked.api.reader.run(partial(read, household=own, number=number))
    if found is None:
        raise not_found(f"transaction {number}")
    return show(found)


# Statements


async def list_statements(asked: Asked) -> Page[Any]:
    account, zone = account_of(asked), asked.api.config.time_zone

    def read(db: Any) -> pages.Page[Any]:
        found: pages.Page[Any] = closed_statements(db, account, None, wanted(asked.query))
        return replace(found, data=[_statement(one, zone) for one in found.data])

    return await page(asked.api, read)


def _statement(one: ClosedStatement, zone: tzinfo) -> DriversStatement:
    return DriversStatement(
        number=one.number,
        month=one.month,
        date=in_zone(datetime.fromisoformat(one.closed_at), zone).date().isoformat(),
        currency=one.currency,
        total=one.total,
        is_carried=one.is_carried,
        sessions=one.sessions,
        energy_wh=one.energy_wh,
    )


async def get_statement(asked: Asked) -> Response:
    account, number, form = account_of(asked), asked.number("number"), asked.query.format
    found = await asked.api.reader.run(partial(id_of_own, account=account, number=number))
    if found is None:
        raise not_found(f"statement {number}")
    return document(asked.api, paper_of(asked, found), form, f"statement-{number}")


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=f"{ME}/tags",
        role=Role.DRIVER,
        tag=TAG,
        summary="List the tags of your household, and whether they may charge",
        handle=list_tags,
        answer=page_of(DriversTag),
        problems=("conflict",),
    ),
    Endpoint(
        method="GET",
        path=TRANSACTIONS,
        role=Role.DRIVER,
        tag=TAG,
        summary="List the sessions of your household, the newest first",
        handle=list_transactions,
        query=OwnQuery,
        answer=Later(lambda: Listing[answer(DriversTransaction)]),  # type: ignore[misc]  # as page_of does it
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="GET",
        path=f"{TRANSACTIONS}/{{id}}",
        role=Role.DRIVER,
        tag=TAG,
        summary="Show a session of your household",
        handle=get_transaction,
        answer=shown_as(DriversTransaction),
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="GET",
        path=f"{TRANSACTIONS}/{{id}}/curve",
        role=Role.DRIVER,
        tag=TAG,
        summary="Show the power and the register of a session over its time, with few points",
        handle=get_curve,
        answer=shown_as(Curve),
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="GET",
        path=STATEMENTS,
        role=Role.DRIVER,
        tag=TAG,
        summary="List the closed statements of your household, the newest first",
        handle=list_statements,
        query=Paged,
        answer=page_of(DriversStatement),
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="GET",
        path=f"{STATEMENTS}/{{number}}",
        role=Role.DRIVER,
        tag=TAG,
        summary="Download a closed statement of your household as HTML, PDF, CSV or JSON",
        handle=get_statement,
        query=DocumentQuery,
        answer=StatementDocument,
        media_type=MEDIA_TYPES[Form.HTML],
        other_media_types=tuple(MEDIA_TYPES[one] for one in Form if one is not Form.HTML),
        problems=(*NOT_MADE, "changed", "conflict", "invalid"),
    ),
)
