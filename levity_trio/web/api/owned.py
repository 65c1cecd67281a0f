"""Whose transactions are: those of an account, those of nobody, and what an operator gives to an account by hand."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

import msgspec

from levity_trio.billing.ownership import BillBy
from levity_trio.store.reads import accounts as stored
from levity_trio.store.reads.belongings import UnlistedTag, unlisted_tags
from levity_trio.store.reads.owned import (
    Ends,
    OwnedTransaction,
    Ownership,
    Rule,
    UnownedFilters,
    owned,
    transactions_of,
    unowned,
)
from levity_trio.store.reads.pages import DEFAULT_ROWS, MOST_ROWS
from levity_trio.store.reads.transactions import Transaction
from levity_trio.store.writes.transactions import decisions
from levity_trio.web.api.accounts import ACCOUNT, TAG, Id
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.lists import (
    Before,
    EndedBefore,
    EndedSince,
    OfCharger,
    Page,
    Since,
    moment,
    page,
    page_of,
    whole,
)
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.review import DECISION_PROBLEMS, ReviewBody, decide
from levity_trio.web.api.shown import show, shown_as
from levity_trio.web.api.transactions import TRANSACTIONS

OWNED_TAGS: Final = "/api/admin/owned-id-tags"
MOST_TAGS: Final = 500
UNOWNED: Final = "/api/admin/unowned-transactions"
PARTS: Final = "A page may have fewer rows than its limit; next_cursor leads to the others."


class NextQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A page of a list that is read from its beginning, or from a cursor on."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] = DEFAULT_ROWS
    cursor: str | None = None


class EndedQuery(NextQuery, kw_only=True):
    ended_since: EndedSince = None
    ended_before: EndedBefore = None

    def ended(self) -> Ends:
        return Ends(moment(self.ended_since, "ended_since"), moment(self.ended_before, "ended_before"))


class UnownedQuery(EndedQuery, kw_only=True, rename={"since": "from", "before": "to"}):
    charger: OfCharger = None
    since: Since = None
    before: Before = None


class OwnerBody(ReviewBody, kw_only=True):
    """The account, and why the transaction is its own."""

    account: Id


def rule_of(asked: Asked) -> Rule:
    """Return by what transactions belong to accounts."""
    return Rule(asked.api.id_tags.policy, BillBy(asked.api.config.bill_by))


async def list_transactions_of(asked: Asked) -> Page[Any]:
    number, query = asked.number(), asked.query
    if await asked.api.reader.run(partial(stored.account, number=number)) is None:
        raise not_found(f"account {number}")
    read = partial(
        transactions_of,
        account=number,
        rule=rule_of(asked),
        limit=query.limit,
        cursor=query.cursor,
        ended=query.ended(),
    )
    return await page(asked.api, read)


async def list_unowned(asked: Asked) -> Page[Any]:
    query: UnownedQuery = asked.query
    filters = UnownedFilters(
        charger=query.charger,
        since=moment(query.since, "from"),
        before=moment(query.before, "to"),
        ended=query.ended(),
    )
    read = partial(unowned, filters=filters, rule=rule_of(asked), limit=query.limit, cursor=query.cursor)
    return await page(asked.api, read)


async def list_owned_tags(asked: Asked) -> Page[Any]:
    return whole(await asked.api.reader.run(partial(unlisted_tags, now=asked.api.stamp(), most=MOST_TAGS)))


async def get_account_of(asked: Asked) -> Any:
    number = asked.number()
    found = await asked.api.reader.run(partial(owned, number=number, rule=rule_of(asked)))
    if found is None:
        raise not_found(f"transaction {number}")
    return show(found)


async def give_transaction(asked: Asked) -> Any:
    await decide(asked, decisions.give, asked.number(), asked.body.account)
    return await get_account_of(asked)


async def take_transaction_back(asked: Asked) -> Any:
    await decide(asked, decisions.take_back, asked.number())
    return await get_account_of(asked)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=f"{ACCOUNT}/transactions",
        role=Role.OPERATOR,
        tag=TAG,
        summary=f"List the transactions of an account, the newest first. {PARTS}",
        handle=list_transactions_of,
        query=EndedQuery,
        answer=page_of(OwnedTransaction),
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path=UNOWNED,
        role=Role.VIEWER,
        tag=TAG,
        summary=f"List the transactions that belong to nobody, the newest first. {PARTS}",
        handle=list_unowned,
        query=UnownedQuery,
        answer=page_of(Transaction),
    ),
    Endpoint(
        method="GET",
        path=OWNED_TAGS,
        role=Role.OPERATOR,
        tag=TAG,
        summary=f"List the tags that belong to accounts now and that nobody added to the tags, {MOST_TAGS} at most.",
        handle=list_owned_tags,
        answer=page_of(UnlistedTag),
    ),
    Endpoint(
        method="GET",
        path=f"{TRANSACTIONS}/{{id}}/account",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Say whose a transaction is, and why.",
        handle=get_account_of,
        answer=shown_as(Ownership),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="POST",
        path=f"{TRANSACTIONS}/{{id}}/give",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Give a transaction to an account by hand, whatever its tag and its connector say.",
        handle=give_transaction,
        body=StructBody(OwnerBody),
        answer=shown_as(Ownership),
        problems=DECISION_PROBLEMS,
    ),
    Endpoint(
        method="POST",
        path=f"{TRANSACTIONS}/{{id}}/take-back",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Take back a transaction that was given by hand, so that its tag and its connector decide again.",
        handle=take_transaction_back,
        body=StructBody(ReviewBody),
        answer=shown_as(Ownership),
        problems=DECISION_PROBLEMS,
    ),
)
