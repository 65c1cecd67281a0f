"""The owners of transactions: those of an account, those of nobody, and what an operator gives to
an account by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from levity_trio.store.reads.pages import DEFAULT_ROWS, ListPage, WantedPage
from levity_trio.store.reads.people.belongings import UnlistedTag, unlisted_tags
from levity_trio.store.reads.people.owned import (
    OwnedTransaction,
    Ownership,
    owned,
    transactions_of,
    unowned,
)
from levity_trio.store.reads.transactions.transactions import Transaction, TransactionFilters
from levity_trio.store.writes.transactions import decisions
from levity_trio.told import Told
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.endpoints import Endpoints, Request, Role, TypedRequest, rule_of
from levity_trio.web.api.engine.lists import (
    Before,
    EndedBefore,
    EndedSince,
    Limit,
    OfCharger,
    Since,
    moment,
    page,
    whole,
)
from levity_trio.web.api.people.accounts import ACCOUNT, TAG, Id, find_account
from levity_trio.web.api.transactions.review import DECISION_PROBLEMS, ReviewBody, decide
from levity_trio.web.api.transactions.transactions import TRANSACTIONS

ENDPOINTS: Final = Endpoints(TAG)

OWNED_TAGS: Final = "/api/admin/owned-id-tags"
MOST_TAGS: Final = 500
UNOWNED: Final = "/api/admin/unowned-transactions"


class NextQuery(ClientInput):
    """A page of a list that is read from its beginning, or from a cursor on."""

    limit: Limit = DEFAULT_ROWS
    cursor: str | None = None


class EndedQuery(NextQuery):
    ended_since: EndedSince = None
    ended_before: EndedBefore = None

    def filters(self) -> TransactionFilters:
        """Return them as the store takes them. Raises Problem."""
        since = moment(self.ended_since, "ended_since")
        before = moment(self.ended_before, "ended_before")
        return TransactionFilters(ended_since=since, ended_before=before)

    @property
    def wanted(self) -> WantedPage:
        return WantedPage(limit=self.limit, cursor=self.cursor)


class UnownedQuery(EndedQuery, rename={"since": "from", "before": "to"}):
    charger: OfCharger = None
    since: Since = None
    before: Before = None

    def filters(self) -> TransactionFilters:
        since, before = moment(self.since, "from"), moment(self.before, "to")
        return replace(EndedQuery.filters(self), charger=self.charger, since=since, before=before)


class OwnerBody(ReviewBody, kw_only=True):
    """The account, and why the transaction is its own."""

    account: Id


@ENDPOINTS.get(
    f"{ACCOUNT}/transactions",
    Role.OPERATOR,
    "not_found",
    summary="List the transactions of an account, the newest first.",
)
async def list_transactions_of(
    request: TypedRequest[EndedQuery, None],
) -> ListPage[OwnedTransaction]:
    number, query = request.number(), request.query
    await find_account(request, number)
    filters = replace(query.filters(), account=number)
    return await page(request, transactions_of, filters=filters, wanted=query.wanted)


@ENDPOINTS.get(
    UNOWNED, Role.VIEWER, summary="List the transactions that belong to nobody, the newest first."
)
async def list_unowned(request: TypedRequest[UnownedQuery, None]) -> ListPage[Transaction]:
    query = request.query
    return await page(request, unowned, filters=query.filters(), wanted=query.wanted)


@ENDPOINTS.get(
    OWNED_TAGS,
    Role.OPERATOR,
    summary=(
        "List the tags that belong to accounts now and that nobody added to the tags, "
        f"{MOST_TAGS} at most."
    ),
)
async def list_owned_tags(request: Request) -> ListPage[UnlistedTag]:
    now = request.api.stamp()
    return whole(await request.read(unlisted_tags, now=now, most=MOST_TAGS))


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/account", Role.OPERATOR, "not_found")
async def get_account_of(request: Request) -> Ownership:
    """Say whose a transaction is, and why."""
    number = request.number()
    what, rule = Told("session {1}", number), rule_of(request.api)
    return await request.find(owned, what, number=number, rule=rule)


@ENDPOINTS.post(f"{TRANSACTIONS}/{{id}}/give", Role.OPERATOR, *DECISION_PROBLEMS)
async def give_transaction(request: TypedRequest[None, OwnerBody]) -> Ownership:
    """Give a transaction to an account by hand, whatever its tag and its connector say."""
    await decide(request, decisions.give, request.number(), request.body.account)
    return await get_account_of(request)


@ENDPOINTS.post(f"{TRANSACTIONS}/{{id}}/take-back", Role.OPERATOR, *DECISION_PROBLEMS)
async def take_transaction_back(request: TypedRequest[None, ReviewBody]) -> Ownership:
    """Take back a transaction that was given by hand, so that its tag and its connector decide
    again."""
    await decide(request, decisions.take_back, request.number())
    return await get_account_of(request)
