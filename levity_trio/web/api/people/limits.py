"""The owners of spaces, and what cards and households may use: at which chargers, and how much in a
month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.access.places import ACCOUNT, TAG
from levity_trio.billing.ledger import LARGEST
from levity_trio.billing.months import Month
from levity_trio.records import record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.places import UsageLimit
from levity_trio.store.reads.money.months import WantedMonth, month_figures
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.people import driving as stored
from levity_trio.store.reads.people.driving import AtSpace, Limits, RefusedCard, SpaceRow
from levity_trio.store.reads.people.households import forms_as_sent
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.store.writes.people import tags as writes
from levity_trio.store.writes.people.accounts import RefusalCode
from levity_trio.web.api.engine.endpoints import (
    CONNECTORS,
    HIGHEST_ID,
    MINOR_UNITS,
    WATT_HOURS,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    TypedRequest,
    local_today,
    rule_of,
)
from levity_trio.web.api.engine.lists import ago, whole
from levity_trio.web.api.people.accounts import find_account
from levity_trio.web.api.people.tags import clear_caches

ENDPOINTS: Final = Endpoints("accounts")
SPACES: Final = "/api/admin/spaces"
OF_ACCOUNT: Final = "/api/admin/accounts/{id}/limits"
OF_TAG: Final = "/api/admin/id-tag-limits/{tag}"
LATELY_DAYS: Final = 90
MOST_WH: Final = 10**9
PROBLEMS: Final = (RefusalCode.NOT_FOUND, RefusalCode.INVALID, RefusalCode.CONFLICT)

# A field that is left empty is null, and sets no limit; an empty list is refused.
Chargers = Annotated[
    list[str],
    Meta(
        max_length=200,
        description="Only at these. If empty, everywhere.",
        extra_json_schema={"minItems": 1},
    ),
]
Energy = Annotated[
    int, Meta(ge=1, le=MOST_WH, description="Empty: no limit.", extra_json_schema=WATT_HOURS)
]
Amount = Annotated[int, Meta(ge=1, le=LARGEST, extra_json_schema=MINOR_UNITS)]


class LimitsBody(ClientInput):
    """What holds from now on; what is left out is without a limit. At four fifths of a month's
    limit there is a warning; when it is reached, nothing new starts until the month is over.

    Money is what its sessions cost, tax included, without base fees.

    - chargers (--only-at ID): A charger where it may charge, and at no other.
    - month_wh (--month-kwh KWH): How much it may charge in a month, in Wh.
    - month_amount (--month-amount AMOUNT): What it may cost in a month, in minor units of the
      currency, such as cents; none for any.
    """

    chargers: Chargers | None = None
    month_wh: Energy | None = None
    month_amount: Amount | None = None


class TagLimitsBody(LimitsBody):
    """The limits of a card are like those of a household. With `everywhere`, it works at spaces
    that are for other households only, too, like a card of the owner.

    - everywhere (--everywhere/--not-everywhere): Also at spaces that are for one household
      only.
    """

    everywhere: bool = False


class SpacesQuery(ClientInput):
    """What is asked for.

    + charger: Only those of this charger.
    """

    charger: str | None = None


@ENDPOINTS.get(SPACES, Role.OPERATOR)
async def list_spaces(request: TypedRequest[SpacesQuery, None]) -> ListPage[SpaceRow]:
    """List the spaces that belong to households, and for whom they are."""
    now, charger = request.api.stamp(), request.query.charger
    return whole(await request.read(stored.spaces, now=now, charger=charger))


class RefusedQuery(ClientInput, kw_only=True):
    """A space, and the household for which it would be alone.

    - account: The household, by its number.
    + connector: 0: the whole charger.
    """

    charger: Annotated[str, Meta(max_length=48)]
    connector: Annotated[int, Meta(ge=0, lt=CONNECTORS)] = 0
    account: Annotated[int, Meta(ge=1, le=HIGHEST_ID)]


@ENDPOINTS.get(f"{SPACES}/refused-cards", Role.OPERATOR)
async def list_refused_cards(request: TypedRequest[RefusedQuery, None]) -> ListPage[RefusedCard]:
    """List the cards of the last 90 days that a space would refuse, if it was for its household
    only"""
    query = request.query
    space = AtSpace(query.charger, query.connector, query.account)
    return whole(await request.read(read_refused, server=request.api, space=space))


def read_refused(db: Database, server: Server, space: AtSpace) -> list[RefusedCard]:
    """Return the cards that a space would refuse."""
    now, since = server.stamp(), ago(server, LATELY_DAYS)
    return stored.refused_then(db, rule=rule_of(server), space=space, now=now, since=since)


@record
class MonthUse:
    """What a household or a card has used in a month. `amount` is with tax, without base fees and
    what is in doubt; null if nobody knows it."""

    month: str
    wh: int
    amount: int | None
    currency: str | None


@ENDPOINTS.get(f"{OF_ACCOUNT}/use", Role.OPERATOR, "not_found")
async def list_account_use(request: Request) -> ListPage[MonthUse]:
    """Show what a household has used in this month and in the one before, whether it has a limit or
    not"""
    filters = [TransactionFilters(account=request.number())]
    return whole(await request.read(read_use, server=request.api, wanted=filters))


@ENDPOINTS.get("/api/admin/id-tag-use/{tag}", Role.OPERATOR, "not_found")
async def list_tag_use(request: Request) -> ListPage[MonthUse]:
    """Show what a card has used in this month and in the one before, whether it has a limit or
    not"""
    tag = request.card
    return whole(await request.read(read_use_of_tag, server=request.api, tag=tag))


def read_use_of_tag(db: Database, server: Server, tag: str) -> list[MonthUse]:
    """Return what a card has used in this month and in the one before."""
    policy = server.id_tags.policy
    # A transaction has the tag as its charger sent it: one card may have several spellings.
    spellings = forms_as_sent(db, policy.key(tag), policy)
    return read_use(db, server, [TransactionFilters(tag=spelling) for spelling in spellings])


def read_use(db: Database, server: Server, wanted: Sequence[TransactionFilters]) -> list[MonthUse]:
    """Return what the transactions that are wanted come to, in this month and in the one before."""
    rule = rule_of(server)
    present = Month.of(local_today(server))
    uses: list[MonthUse] = []
    for month in (present, present.before):
        wh, billed = 0, 0
        currencies: set[str | None] = set()
        are_priced = True
        for filters in wanted:
            figures = month_figures(rows_of(db), WantedMonth(month, rule, server.now(), filters))
            wh += figures.energy_wh
            of_sessions = (part.costs or () for part in figures.parts if part.sessions)
            for cost in chain.from_iterable(of_sessions):
                currencies.add(cost.currency)
                # Null while more prices are due than one read computes.
                are_priced = are_priced and cost.to_bill is not None
                billed += cost.billed + (cost.to_bill or 0)

        # Amounts of several currencies have no sum, and a part is not the whole.
        use = MonthUse(month=str(month), wh=wh, amount=None, currency=None)
        if are_priced and len(currencies) == 1:
            use = replace(use, amount=billed, currency=currencies.pop())
        uses.append(use)
    return uses


@ENDPOINTS.get(OF_ACCOUNT, Role.OPERATOR, "not_found")
async def get_account_limits(request: Request) -> Limits:
    """Show where a household may charge, how much in a month, and how the month stands."""
    number = request.number()
    await find_account(request, number)
    return await _shown(request, ACCOUNT, str(number))


@ENDPOINTS.put(OF_ACCOUNT, Role.OPERATOR, *PROBLEMS)
async def limit_account(request: TypedRequest[None, LimitsBody]) -> Limits:
    """Say where a household may charge, and how much in a month."""
    number = request.number()
    before = await _shown(request, ACCOUNT, str(number))
    await request.write(writes.limit_account, number, _wanted(request.body))
    return await _settled(request, ACCOUNT, str(number), before)


@ENDPOINTS.get(OF_TAG, Role.VIEWER)
async def get_tag_limits(request: Request) -> Limits:
    """Show where a card may charge, how much in a month, and how the month stands."""
    return await _shown(request, TAG, request.policy.key(request.card))


@ENDPOINTS.put(OF_TAG, Role.OPERATOR, *PROBLEMS)
async def limit_tag(request: TypedRequest[None, TagLimitsBody]) -> Limits:
    """Say where a card may charge, and how much in a month."""
    policy, body = request.policy, request.body
    key = policy.key(request.card)
    before = await _shown(request, TAG, key)
    wanted = _wanted(body)._replace(is_everywhere=body.everywhere)
    await request.write(writes.limit_tag, policy, request.card, wanted)
    return await _settled(request, TAG, key, before)


def _wanted(body: LimitsBody) -> UsageLimit:
    chargers = None if body.chargers is None else tuple(dict.fromkeys(body.chargers))
    return UsageLimit(chargers, month_wh=body.month_wh, month_amount=body.month_amount)


async def _settled(request: Request, what: str, key: str, before: Limits) -> Limits:
    """Return what holds now. Chargers where a card may charge no longer are asked to forget whom
    they let charge."""
    after = await _shown(request, what, key)
    # A charger that remembers the card would let it charge without asking.
    if after.chargers is not None and after.chargers != before.chargers:
        await clear_caches(request, lambda charger: charger not in (after.chargers or ()))
    return after


async def _shown(request: Request, what: str, key: str) -> Limits:
    def read(db: Database) -> Limits:
        return stored.limits_of(db, what, key, request.api.stamp())

    return await request.read(read)
