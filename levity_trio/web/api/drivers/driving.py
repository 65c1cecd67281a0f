"""What drivers do: see which chargers are free, start, stop their own session, and learn what came
of it.

A driver never learns about others: a session, a command or a tag of another household is as one
that does not exist, and warnings for operators stay theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from secrets import choice
from string import ascii_uppercase
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta

from levity_trio.access.places import Reason
from levity_trio.access.tags import LONGEST_TAG as LONGEST_ID_TAG
from levity_trio.access.tags import Status
from levity_trio.billing.money import typed_number
from levity_trio.load.document import parse
from levity_trio.operations import OPERATIONS
from levity_trio.operations.operation import OutcomeState, Payload
from levity_trio.records import copied, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import successor
from levity_trio.store.reads.load.load import newest_site
from levity_trio.store.reads.load.load_day import PriceWait, price_waits
from levity_trio.store.reads.money.tariffs import PricesAhead, prices_ahead
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.people import driving as stored
from levity_trio.store.reads.people.driving import (
    START,
    STOP,
    HouseholdView,
    OwnTag,
    OwnTransaction,
    Place,
    PlacesOfCharger,
    PlaceState,
)
from levity_trio.store.writes.chargers.commands import FINAL
from levity_trio.store.writes.load import load as wishes
from levity_trio.store.writes.people import ownership
from levity_trio.told import Told
from levity_trio.web.api.chargers.operations import (
    WaitQuery,
    accepted,
    checked,
    is_waiting,
    order,
    repeated,
)
from levity_trio.web.api.engine.endpoints import (
    WATT_HOURS,
    ApiAnswer,
    Caller,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    TypedRequest,
    rule_of,
)
from levity_trio.web.api.engine.lists import GivenTime, local_moment, whole
from levity_trio.web.api.engine.problems import Problem, conflict, invalid, not_found
from levity_trio.web.api.money.tariffs import Price

TAG: Final = "drivers"
ENDPOINTS: Final = Endpoints(TAG)
ME: Final = "/api/me"
_PHONE: Final = "PHONE"
"""How what a household is without a card begins. Nobody can guess the rest, or hold it to a
charger."""
LONGEST_TAG: Final = 255
MOST_WANTED_WH: Final = 200_000


# What drivers are told: why nothing can be started, and what came of what they asked for. It never
# tells of others.
AWAY: Final = Told("the charger cannot be reached at present; nothing was sent. Try again later")
NO_TAG: Final = Told("your household has no card to charge with; ask whoever runs the chargers")
NOT_YOURS: Final = Told("this place is another household's, which would pay for your session")
NOT_HERE: Final[Mapping[str, str]] = {
    Reason.SPACE: Told("this space is for another household only"),
    Reason.CHARGERS: Told("your card may charge at other chargers only"),
}
REFUSED: Final[Mapping[PlaceState, str]] = {
    PlaceState.IN_USE: Told("this connector is in use"),
    PlaceState.RESERVED: Told("this connector is reserved for somebody else"),
    PlaceState.BROKEN: Told("this connector is out of order"),
    PlaceState.AWAY: AWAY,
}
WHY_NOT: Final[Mapping[str, str]] = {
    Status.BLOCKED: Told("it is blocked"),
    Status.EXPIRED: Told("it has expired"),
    Status.INVALID: Told("it is not enabled here"),
}
USED_UP: Final = Told("it has used what it may in this month, or your household has")
SPENT: Final = Told(
    "nothing is left of what your household paid in advance; Costs has a code to pay by"
)
_STARTING: Final[Mapping[str, str]] = {
    "queued": Told("Your start waits to be sent to the charger."),
    "sent": Told("Your start was sent; the charger has not answered yet."),
    "accepted": Told("The charger agreed. Plug in the car, if it is not plugged in yet."),
    "rejected": Told("The charger refused to start."),
    "error": Told("The charger could not start."),
    OutcomeState.FULFILLED: Told("Your session has begun."),
    OutcomeState.NOT_SEEN: Told("The charger agreed, but no session began in time."),
}
_STOPPING: Final[Mapping[str, str]] = {
    "queued": Told("Your stop waits to be sent to the charger."),
    "sent": Told("Your stop was sent; the charger has not answered yet."),
    "accepted": Told("The charger agreed; your session ends in a moment."),
    "rejected": Told("The charger refused to stop."),
    "error": Told("The charger could not stop."),
    OutcomeState.FULFILLED: Told("Your session has ended."),
    OutcomeState.NOT_SEEN: Told("The charger agreed, but did not tell that your session ended."),
    OutcomeState.CONTRADICTED: Told("The charger agreed, but your car goes on charging."),
}
_LOST: Final[Mapping[str, str]] = {
    "timed out": Told("The charger did not answer."),
    "gone": Told("The charger was lost before it answered."),
    "expired": Told("It was not sent."),
    "cancelled": Told("It was not sent."),
}


class StartBody(ClientInput):
    """Where, and with which tag of the household. Both may be left out where there is only one.

    - connector_id: The connector, from 1 on.
    - id_tag: One of your cards.
    """

    connector_id: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    id_tag: Annotated[str, Meta(max_length=LONGEST_TAG)] | None = None


@record
class DriversCommand:
    """A start or a stop that a driver asked for. `words` tell what came of it so far.

    `state` is that of any command, `outcome` what later facts tell. `transaction` is the one that
    it begins or ends; `ended_at` is when it was settled, null while something may still come of it.
    """

    id: int
    charger: str
    connector_id: int | None
    transaction: int | None
    action: Literal["start", "stop"]
    state: str
    outcome: str | None
    words: str
    submitted_at: str
    ended_at: str | None


def account_of(request: Request) -> int:
    """Return the account of a driver. Raises Problem for somebody without one."""
    if request.caller.account is None:
        raise conflict(Told("you belong to no household"))
    return request.caller.account


def household(request: Request) -> HouseholdView:
    """Return the household of a driver. Raises Problem for somebody without one."""
    return HouseholdView(account_of(request), rule_of(request.api))


# Chargers


@ENDPOINTS.get(f"{ME}/chargers", Role.DRIVER)
async def list_chargers(request: Request) -> ListPage[PlacesOfCharger]:
    """List the chargers: which connectors are free, and your own open sessions"""
    return whole(await _places(request))


@ENDPOINTS.get(f"{ME}/chargers/{{id}}", Role.DRIVER, "not_found")
async def get_charger(request: Request) -> PlacesOfCharger:
    """Show which connectors of a charger are free"""
    return await _charger(request)


@ENDPOINTS.get(f"{ME}/chargers/{{id}}/prices", Role.DRIVER, "not_found")
async def list_prices(request: Request) -> PricesAhead:
    """Show what a kWh costs at a charger today and tomorrow, if that moves by the quarter-hour"""
    server, charger = request.api, request.path["id"]
    whose = rule_of(server), request.caller.account, charger, server.now()
    ahead = await request.read(prices_ahead, *whose)
    if ahead is None:
        raise not_found(Told("a price that moves at charger {1}", charger))
    return ahead


class FoundPlaces(NamedTuple):
    """The chargers that were asked for, all of them, and the tags with which somebody looks."""

    shown: list[PlacesOfCharger]
    every: list[PlacesOfCharger]
    keys: list[str]


async def _places(
    request: Request, charger: str | None = None, tag: str | None = None
) -> list[PlacesOfCharger]:
    account = request.caller.account
    places = await request.read(read_places, request.api, account, charger, tag)
    return seen_by(request.caller, request.api, places)


def read_places(
    db: Database,
    server: Server,
    account: int | None,
    charger: str | None = None,
    tag: str | None = None,
) -> FoundPlaces:
    """Return the chargers, or one, for `seen_by`: anybody may look, but not at what is others'
    only."""
    own = HouseholdView(account, rule_of(server))
    charger = charger and successor(db, charger)
    places = stored.places(db, own, server.now(), tag=tag, charger=charger)
    every = places
    # Where a tag may not charge here, the words name the other chargers.
    if charger is not None and not server.id_tags.places.are_for_all:
        every = stored.places(db, own, server.now(), tag=tag)
    tags = [] if account is None else stored.tags_of(db, account, server.stamp())
    keys = [own_tag.key for own_tag in tags] if tag is None else [tag]
    return FoundPlaces(places, every, keys)


def seen_by(caller: Caller, server: Server, places: FoundPlaces) -> list[PlacesOfCharger]:
    """Return chargers as somebody sees them: what is for others, and where none of the own tags may
    charge."""
    limits, keys, at = server.id_tags.places, places.keys, server.stamp()
    if limits.are_for_all or (caller.account is None and caller.role is not Role.DRIVER):
        return places.shown

    def refusal(charger: str, connector: int) -> Reason | None:
        """Return why none of the tags may charge at a connector; None if one may, or if there is
        none."""
        reasons = [server.id_tags.refusal(key, charger, connector, at) for key in keys]
        return reasons[0] if reasons and None not in reasons else None

    def may_charge_at(charger: PlacesOfCharger) -> bool:
        return any(refusal(charger.id, place.id) is None for place in charger.connectors)

    elsewhere = [charger.name or charger.id for charger in places.every if may_charge_at(charger)]

    def seen(charger: str, place: Place) -> Place:
        reason = refusal(charger, place.id)
        admitted = limits.admitted(charger, place.id, at)
        is_of_others = admitted is not None and caller.account not in admitted
        if is_of_others and place.transaction is None and (reason is not None or not keys):
            place = replace(place, state=PlaceState.PRIVATE)
        if reason is None:
            return place
        words = NOT_HERE[reason]
        if elsewhere:
            words = Told("{1}; you may charge at {2}", words, ", ".join(elsewhere))
        return replace(place, why_not=words, reason=reason, elsewhere=elsewhere)

    chargers: list[PlacesOfCharger] = []
    for charger in places.shown:
        connectors = [seen(charger.id, place) for place in charger.connectors]
        chargers.append(replace(charger, connectors=connectors))
    return chargers


async def _charger(request: Request, tag: str | None = None) -> PlacesOfCharger:
    """Return the charger in the path, as seen with a tag. Raises Problem."""
    charger = request.path["id"]
    places = await _places(request, charger, tag)
    if not places:
        raise not_found(Told("charger {1}", charger))
    return places[0]


# Start


@ENDPOINTS.post(
    f"{ME}/chargers/{{id}}/start",
    Role.DRIVER,
    "not_found",
    "conflict",
    "queue_full",
    "too_many_waiting",
)
async def start(
    request: TypedRequest[None, StartBody],
) -> DriversCommand | ApiAnswer[DriversCommand]:
    """Start a session with a tag of your household"""
    own = household(request)
    # One after the other, so that two never start at one connector.
    async with request.api.allotting:
        number = await _start(request, own)
    return await _respond(request, number)


async def _start(request: TypedRequest[None, StartBody], own: HouseholdView) -> int:
    """Send a start, unless it is under way already; return its command. Raises Problem."""
    charger = await _charger(request)
    connector = _connector(request, charger)
    place = _place(charger, connector)
    if place.state is PlaceState.PRIVATE:
        raise conflict(place.why_not or NOT_HERE[Reason.SPACE])
    tags = await tags_of(request)
    is_by_phone = request.body.id_tag is None and may_start_by_phone(tags)
    tag = await _phone(request) if is_by_phone else _tag(request, tags)
    payload = checked(OPERATIONS[START], {"connectorId": connector, "idTag": tag.id_tag})
    number = await repeated(request, charger.id, OPERATIONS[START], payload)
    if number is None:
        number = await _same(request, charger.id, START, payload)
    if number is not None:
        return number

    # Another tag of the household may see a place as free that this one may not use.
    charger = await _charger(request, tag=tag.key)
    place = _place(charger, connector)
    if place.transaction is not None:
        raise conflict(Told("your session {1} is open at this connector", place.transaction))
    words = REFUSED.get(place.state) or place.why_not
    if words is not None:
        raise conflict(words)
    await _check_tag(request, own, tag)
    # Another household may own the place, and would then pay, whoever holds the card.
    at, spot = request.api.stamp(), (charger.id, connector)
    pays = await request.read(stored.would_pay, id_tag=tag.id_tag, place=spot, at=at, household=own)
    if not pays:
        raise conflict(NOT_YOURS)
    return await _send(request, charger.id, START, payload)


def _place(charger: PlacesOfCharger, connector: int) -> Place:
    (place,) = (place for place in charger.connectors if place.id == connector)
    return place


async def tags_of(request: Request) -> list[OwnTag]:
    """Return the tags of the household as they are now. Raises Problem."""
    account, at = account_of(request), request.api.stamp()
    return await request.read(stored.tags_of, account=account, at=at)


def _connector(request: TypedRequest[None, StartBody], charger: PlacesOfCharger) -> int:
    known = [place.id for place in charger.connectors]
    chosen = request.body.connector_id
    if not known:
        raise conflict(AWAY)
    if chosen is None and len(known) == 1:
        return known[0]
    if chosen is None or chosen not in known:
        raise invalid("connector_id", Told("choose one of {1}", ", ".join(map(str, known))))
    return chosen


def may_start_by_phone(tags: Sequence[OwnTag]) -> bool:
    """Whether a log-in is enough to start: the household has no card, or lost each that it has. One
    whose card the owner blocked is to ask him."""
    return all(tag.is_lost for tag in tags)


async def _phone(request: Request) -> OwnTag:
    new = _PHONE + "".join(choice(ascii_uppercase) for _ in range(LONGEST_ID_TAG - len(_PHONE)))
    account = account_of(request)
    id_tag = await request.write(ownership.phone, request.policy, account, new)
    return OwnTag(request.policy.key(id_tag), id_tag, None, None, None)


def _tag(request: TypedRequest[None, StartBody], tags: list[OwnTag]) -> OwnTag:
    """Return the tag that was chosen, else the only one that may charge. Raises Problem."""
    if not tags:
        raise conflict(NO_TAG)
    usable = [tag for tag in tags if why_not(request.api, tag) is None] or tags
    chosen = usable
    if request.body.id_tag is not None:
        key = request.policy.key(request.body.id_tag)
        chosen = [tag for tag in tags if tag.key == key]
    if len(chosen) != 1:
        choices = ", ".join(tag.id_tag for tag in usable)
        raise invalid("id_tag", Told("choose one of your household's cards: {1}", choices))
    return chosen[0]


def why_not(server: Server, tag: OwnTag) -> str | None:
    """Return why a tag may not charge, None if it may, as far as is known before it is
    presented."""
    tags, at = server.id_tags, server.stamp()
    known = tags.find(tag.key)
    verdict = tags.judge(tag.id_tag, at)
    if verdict.is_accepted or tags.policy.is_asked_outside(tag.key, known):
        return None
    if verdict.reason is not None:
        return SPENT if verdict.reason == Reason.SPENT else USED_UP
    return WHY_NOT.get(verdict.status, Told("it is refused here"))


async def _same(request: Request, charger: str, action: str, payload: Payload) -> int | None:
    """Return the command of the same driver that asks for the same and is under way. Raises Problem
    for another start at the same connector: what it begins is not an open transaction yet."""
    now, place = request.api.now(), payload.get("connectorId")
    commands = await request.read(stored.under_way, charger=charger, action=action, now=now)
    for command in commands:
        if command.asked_by == request.caller.name and command.payload == payload:
            return command.id
        if action == START and command.payload.get("connectorId", place) == place:
            raise conflict(Told("somebody is starting a session at this connector just now"))
    return None


async def _check_tag(request: Request, own: HouseholdView, tag: OwnTag) -> None:
    words = why_not(request.api, tag)
    known = request.api.id_tags.find(tag.key)
    if words is None and known is not None and known.most is not None:
        running = await request.read(stored.running, rule=own.rule, key=tag.key)
        if running >= known.most:
            words = Told("it is charging already")
    if words is not None:
        raise conflict(Told("the card {1} cannot be used: {2}", tag.id_tag, words))


# Stop


@ENDPOINTS.post(
    f"{ME}/transactions/{{id}}/stop",
    Role.DRIVER,
    "not_found",
    "conflict",
    "queue_full",
    "too_many_waiting",
)
async def stop(request: Request) -> DriversCommand | ApiAnswer[DriversCommand]:
    """Stop an open session of your household"""
    async with request.api.allotting:
        command = await _stop(request)
    return await _respond(request, command)


class DepartureBody(ClientInput, kw_only=True):
    """When you leave, and how many kWh you want by then. This counts while your car waits for
    current, or for a lower price: it then waits only as long as that still fits.

    - wanted_wh: How much you want by then, in Wh.
    """

    departure: GivenTime
    wanted_wh: (
        Annotated[int, Meta(ge=1000, le=MOST_WANTED_WH, extra_json_schema=WATT_HOURS)] | None
    ) = None


@ENDPOINTS.put(
    f"{ME}/transactions/{{id}}/departure",
    Role.DRIVER,
    "not_found",
    "conflict",
    status=204,
)
async def leave(request: TypedRequest[None, DepartureBody]) -> None:
    """Say when you leave, where the owner allows it: your car then waits no longer than it can"""
    transaction = await _own_transaction(request)
    number, load = request.number(), request.api.load
    site = await request.read(newest_site)
    if load is None or site is None or not parse(site.toml).options.driver_wishes:
        raise conflict(Told("cars are not charged by when their drivers leave here"))
    if not transaction.is_open or transaction.connector is None:
        raise not_found(_open_session(number))
    at = local_moment(request.body.departure, "departure", request.zone)
    if at is None or at <= request.api.stamp():
        raise invalid("departure", Told("give a time that is still to come"))
    place = transaction.charger, transaction.connector
    await request.write(wishes.depart, place, number, (at, request.body.wanted_wh))
    load.read_again()


class PriceLimitBody(ClientInput, kw_only=True):
    """Above which price of a kWh, tax included, your car waits, and from when it charges all the
    same. A fee for staying counts the time in which it waits. A boost ends the wait."""

    most_price: Price
    charges_at: GivenTime


LIMIT: Final = f"{ME}/transactions/{{id}}/price-limit"


@ENDPOINTS.get(LIMIT, Role.DRIVER, "not_found", "conflict")
async def get_price_limit(request: Request) -> PriceWait:
    """Show how your car may wait for a lower price, and which hours are low enough"""
    await _own_transaction(request)
    number = request.number()
    now, rule = request.api.now(), rule_of(request.api)
    waits = await request.read(price_waits, now=now, rule=rule, transaction=number)
    if number not in waits:
        words = Told(
            "a car waits for a lower price only in an open session, where load management limits "
            "its charger and its price moves by the quarter-hour"
        )
        raise conflict(words)
    return waits[number]


@ENDPOINTS.put(LIMIT, Role.DRIVER, "not_found", "conflict")
async def wait_for_price(request: TypedRequest[None, PriceLimitBody]) -> PriceWait:
    """Let your car wait for a lower price"""
    await get_price_limit(request)
    price = typed_number(request.body.most_price)
    if price is None:
        raise invalid("most_price", Told("give the price of a kWh"))
    at = local_moment(request.body.charges_at, "charges_at", request.zone)
    if at is None or at <= request.api.stamp():
        raise invalid("charges_at", Told("give a time that is still to come"))
    return await _wait(request, (f"{price:f}", at))


@ENDPOINTS.delete(LIMIT, Role.DRIVER, "not_found", "conflict")
async def end_price_limit(request: Request) -> PriceWait:
    """Let your car charge whatever the price is"""
    await get_price_limit(request)
    return await _wait(request, None)


async def _wait(request: Request, wish: tuple[str, str] | None) -> PriceWait:
    # Without load management, nobody may wait.
    if request.api.load is not None:
        await request.write(wishes.wait_for_price, request.number(), wish)
        request.api.load.read_again()
    return await get_price_limit(request)


async def _stop(request: Request) -> int:
    """Send a stop, unless it is under way already; return its command. Raises Problem."""
    transaction = await _own_transaction(request)
    number = request.number()
    payload = checked(OPERATIONS[STOP], {"transactionId": number})
    again = await repeated(request, transaction.charger, OPERATIONS[STOP], payload)
    if again is not None:
        return again
    if not transaction.is_open:
        raise not_found(_open_session(number))
    again = await _same(request, transaction.charger, STOP, payload)
    return again or await _send(request, transaction.charger, STOP, payload)


async def _own_transaction(request: Request) -> OwnTransaction:
    """Return the transaction in the path. Raises Problem for one of another household."""
    own, number = household(request), request.number()
    what = _open_session(number)
    return await request.find(stored.own_transaction, what, household=own, number=number)


def _open_session(number: int) -> str:
    return Told("open session {1} of your household", number)


# Commands


async def _send(request: Request, charger: str, action: str, payload: Payload) -> int:
    """Send what is asked for, as an operator's request does. Raises Problem, in words for
    drivers."""
    sender = TypedRequest(
        request.api, request.caller, request.path, WaitQuery(), None, request.headers
    )
    try:
        sending = await order(sender, charger, OPERATIONS[action], payload)
    except Problem as problem:
        if problem.code in ("not_connected", "not_registered"):
            raise conflict(AWAY) from None
        raise
    return sending.command


async def _respond(request: Request, number: int) -> DriversCommand | ApiAnswer[DriversCommand]:
    """Wait for the end of a command, unless the client does not, and return it."""
    if not is_waiting(request):
        return accepted(await _shown(request, number), f"{ME}/commands/{number}")
    async with request.api.places.wait():
        await request.api.chargers.wait(number)
    return await _shown(request, number)


@ENDPOINTS.get(f"{ME}/commands/{{id}}", Role.DRIVER, "not_found", "conflict")
async def get_command(request: Request) -> DriversCommand:
    """Show what came of a start or a stop that you asked for"""
    return await _shown(request, request.number())


async def _shown(request: Request, number: int) -> DriversCommand:
    own, name = household(request), request.caller.name
    return await request.read(read_command, household=own, asked_by=name, number=number)


def read_command(
    db: Database, household: HouseholdView, asked_by: str, number: int
) -> DriversCommand:
    """Return a command of somebody of a household. Raises Problem for any other."""
    own = stored.own_command(db, household, asked_by, number)
    if own is None:
        raise not_found(Told("command {1}", number))
    command = own.command
    ended_at = None
    if command.state in FINAL and command.outcome != OutcomeState.PENDING:
        ended_at = command.outcome_at or command.answered_at
    return copied(
        DriversCommand,
        command,
        connector_id=own.connector,
        transaction=own.transaction,
        action="start" if command.action == START else "stop",
        words=words_of(command.action, command.state, command.outcome),
        submitted_at=command.requested_at,
        ended_at=ended_at,
    )


def words_of(action: str, state: str, outcome: str | None) -> str:
    """Return what came of a start or a stop so far. An outcome that was seen says more than an
    answer that was not."""
    words = {**_LOST, **(_STARTING if action == START else _STOPPING)}
    is_outcome = outcome == OutcomeState.FULFILLED or (state == "accepted" and outcome in words)
    key = outcome if outcome is not None and is_outcome else state
    return words.get(key, Told("Nothing is known about it."))
