"""What drivers do: see which chargers are free, start, stop their own session, and learn what came
of it.

A driver never learns about others: a session, a command or a tag of another household is as one
that does not exist, and warnings for operators stay theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta

from levity_trio.access.places import Reason
from levity_trio.access.tags import Index, Status
from levity_trio.load.document import parse
from levity_trio.operations import OPERATIONS
from levity_trio.operations.operation import Payload
from levity_trio.operations.outcomes import State
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.load.load import newest_site
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.people import driving as stored
from levity_trio.store.reads.people.driving import (
    START,
    STOP,
    CommandUnderWay,
    HouseholdView,
    OwnTag,
    OwnTransaction,
    Place,
    PlacesOfCharger,
    PlaceState,
)
from levity_trio.store.writes.chargers.commands import FINAL
from levity_trio.told import Told
from levity_trio.web.api.chargers.operations import (
    WaitQuery,
    accepted,
    checked,
    is_waiting,
    order,
    repeated,
)
from levity_trio.web.api.engine.bodies import WATT_HOURS, ClientInput
from levity_trio.web.api.engine.context import Server, rule_of
from levity_trio.web.api.engine.endpoints import (
    ApiAnswer,
    Caller,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import whole
from levity_trio.web.api.engine.local_times import GivenTime, local_moment
from levity_trio.web.api.engine.problems import Problem, conflict, invalid, not_found

TAG: Final = "drivers"
ENDPOINTS: Final = Endpoints(TAG)
ME: Final = "/api/me"
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
SPENT: Final = Told("nothing is left of what your household paid in advance")
_STARTING: Final[Mapping[str, str]] = {
    "queued": Told("Your start waits to be sent to the charger."),
    "sent": Told("Your start was sent; the charger has not answered yet."),
    "accepted": Told("The charger agreed. Plug in the car, if it is not plugged in yet."),
    "rejected": Told("The charger refused to start."),
    "error": Told("The charger could not start."),
    State.FULFILLED: Told("Your session has begun."),
    State.NOT_SEEN: Told("The charger agreed, but no session began in time."),
}
_STOPPING: Final[Mapping[str, str]] = {
    "queued": Told("Your stop waits to be sent to the charger."),
    "sent": Told("Your stop was sent; the charger has not answered yet."),
    "accepted": Told("The charger agreed; your session ends in a moment."),
    "rejected": Told("The charger refused to stop."),
    "error": Told("The charger could not stop."),
    State.FULFILLED: Told("Your session has ended."),
    State.NOT_SEEN: Told("The charger agreed, but did not tell that your session ended."),
    State.CONTRADICTED: Told("The charger agreed, but your car goes on charging."),
}
_LOST: Final[Mapping[str, str]] = {
    "timed out": Told("The charger did not answer."),
    "gone": Told("The charger was lost before it answered."),
    "expired": Told("It was not sent."),
    "cancelled": Told("It was not sent."),
}


class StartBody(ClientInput):
    """Where, and with which tag of the household. Both may be left out where there is only one."""

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


class FoundPlaces(NamedTuple):
    """The chargers that were asked for, all of them, and the tags with which somebody looks."""

    found: list[PlacesOfCharger]
    every: list[PlacesOfCharger]
    keys: list[str]


async def _places(
    request: Request, charger: str | None = None, tag: str | None = None
) -> list[PlacesOfCharger]:
    read = partial(
        read_places, server=request.api, account=request.caller.account, charger=charger, tag=tag
    )
    return seen_by(request.caller, request.api, await request.read(read))


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
    found = stored.places(db, own, server.now(), tag=tag, charger=charger)
    is_whole = charger is None or server.id_tags.places.are_for_all
    every = found if is_whole else stored.places(db, own, server.now(), tag=tag)
    tags = [] if account is None else stored.tags_of(db, account, server.stamp())
    return FoundPlaces(found, every, [one.key for one in tags if tag in (None, one.key)])


def seen_by(caller: Caller, server: Server, places: FoundPlaces) -> list[PlacesOfCharger]:
    """Return chargers as somebody sees them: what is for others, and where none of the own tags may
    charge."""
    limits, keys, at = server.id_tags.places, places.keys, server.stamp()
    if limits.are_for_all or (caller.account is None and caller.role is not Role.DRIVER):
        return places.found
    refusal = partial(_refusal, server.id_tags, keys, at)
    elsewhere = [
        one.name or one.id
        for one in places.every
        if any(refusal((one.id, place.id)) is None for place in one.connectors)
    ]

    def seen(charger: str, place: Place) -> Place:
        reason, admitted = refusal((charger, place.id)), limits.admitted(charger, place.id, at)
        is_of_others = admitted is not None and caller.account not in admitted
        if is_of_others and place.transaction is None and (reason is not None or not keys):
            place = replace(place, state=PlaceState.PRIVATE)
        return _refused(place, reason, elsewhere)

    return [
        replace(one, connectors=[seen(one.id, place) for place in one.connectors])
        for one in places.found
    ]


def _refusal(tags: Index, keys: Sequence[str], at: str, place: tuple[str, int]) -> Reason | None:
    """Return why none of these tags may charge at a connector of a charger; None if one may, or if
    there is none."""
    reasons = [tags.refusal(key, *place, at) for key in keys]
    return reasons[0] if reasons and None not in reasons else None


def _refused(place: Place, reason: Reason | None, elsewhere: list[str]) -> Place:
    if reason is None:
        return place
    words = NOT_HERE[reason]
    if elsewhere:
        words = Told("{1}; you may charge at {2}", words, ", ".join(elsewhere))
    return replace(place, why_not=words, reason=reason, elsewhere=elsewhere)


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
    "invalid",
    "queue_full",
    "too_many_waiting",
)
async def start(
    request: TypedRequest[None, StartBody],
) -> DriversCommand | ApiAnswer[DriversCommand]:
    """Start a session with a tag of your household"""
    own = household(request)
    async with request.api.allotting:  # so that two never start at one connector
        number = await _start(request, own)
    return await _respond(request, number)


async def _start(request: TypedRequest[None, StartBody], own: HouseholdView) -> int:
    """Send a start, unless it is under way already; return its command. Raises Problem."""
    charger = await _charger(request)
    connector = _connector(request, charger)
    private = [
        one for one in charger.connectors if one.id == connector and one.state is PlaceState.PRIVATE
    ]
    if private:
        raise conflict(private[0].why_not or NOT_HERE[Reason.SPACE])
    tag = _tag(request, await tags_of(request))
    payload = checked(OPERATIONS[START], {"connectorId": connector, "idTag": tag.id_tag})
    again = await repeated(request, request.path["id"], OPERATIONS[START], payload)
    if again is None:
        again = await _same(request, START, payload)
    if again is not None:
        return again
    charger = await _charger(request, tag=tag.key)
    place = next(one for one in charger.connectors if one.id == connector)
    if place.transaction is not None:
        raise conflict(Told("your session {1} is open at this connector", place.transaction))
    if (words := REFUSED.get(place.state)) is not None:
        raise conflict(words)
    if place.why_not is not None:
        raise conflict(place.why_not)
    await _check_tag(request, own, tag)
    pays = partial(
        stored.would_pay, id_tag=tag.id_tag, place=(charger.id, connector), at=request.api.stamp()
    )
    if not await request.read(partial(pays, household=own)):
        raise conflict(NOT_YOURS)
    return await _send(request, charger.id, START, payload)


async def tags_of(request: Request) -> list[OwnTag]:
    """Return the tags of the household as they are now. Raises Problem."""
    return await request.read(
        partial(stored.tags_of, account=account_of(request), at=request.api.stamp())
    )


def _connector(request: TypedRequest[None, StartBody], charger: PlacesOfCharger) -> int:
    known, chosen = [one.id for one in charger.connectors], request.body.connector_id
    if not known:
        raise conflict(AWAY)
    if chosen is None and len(known) == 1:
        return known[0]
    if chosen is None or chosen not in known:
        raise invalid("connector_id", Told("choose one of {1}", ", ".join(map(str, known))))
    return chosen


def _tag(request: TypedRequest[None, StartBody], tags: list[OwnTag]) -> OwnTag:
    """Return the tag that was chosen, else the only one that may charge. Raises Problem."""
    if not tags:
        raise conflict(NO_TAG)
    usable = [one for one in tags if why_not(request.api, one) is None]
    given, choices = request.body.id_tag, ", ".join(one.id_tag for one in usable or tags)
    if given is not None:
        key = request.api.id_tags.policy.key(given)
        chosen = [one for one in tags if one.key == key]
    else:
        chosen = usable or tags
    if len(chosen) != 1:
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


async def _same(request: Request, action: str, payload: Payload) -> int | None:
    """Return the command of the same driver that asks for the same and is under way. Raises Problem
    for another start at the same connector: what it begins is not an open transaction yet."""
    for command in await _under_way(request, request.path["id"], action):
        if command.asked_by == request.caller.name and command.payload == payload:
            return command.id
        if command.payload.get("connectorId", payload["connectorId"]) == payload["connectorId"]:
            raise conflict(Told("somebody is starting a session at this connector just now"))
    return None


async def _under_way(request: Request, charger: str, action: str) -> list[CommandUnderWay]:
    read = partial(stored.under_way, charger=charger, action=action, now=request.api.now())
    return await request.read(read)


async def _check_tag(request: Request, own: HouseholdView, tag: OwnTag) -> None:
    words, known = why_not(request.api, tag), request.api.id_tags.find(tag.key)
    if words is None and known is not None and known.most is not None:
        count = await request.read(partial(stored.running, rule=own.rule, key=tag.key))
        words = Told("it is charging already") if count >= known.most else None
    if words is not None:
        raise conflict(Told("the card {1} cannot be used: {2}", tag.id_tag, words))


# Stop


@ENDPOINTS.post(
    f"{ME}/transactions/{{id}}/stop",
    Role.DRIVER,
    "not_found",
    "conflict",
    "invalid",
    "queue_full",
    "too_many_waiting",
)
async def stop(request: Request) -> DriversCommand | ApiAnswer[DriversCommand]:
    """Stop an open session of your household"""
    own, number = household(request), request.number()
    async with request.api.allotting:
        read = partial(stored.own_transaction, household=own, number=number)
        found = await request.find(read, _open_session(number))
        sent = await _stop(request, number, found)
    return await _respond(request, sent)


class DepartureBody(ClientInput, kw_only=True):
    """When you leave, and how many kWh you want by then. This counts while your car waits for
    current."""

    departure: GivenTime
    wanted_wh: (
        Annotated[int, Meta(ge=1000, le=MOST_WANTED_WH, extra_json_schema=WATT_HOURS)] | None
    ) = None


@ENDPOINTS.put(
    f"{ME}/transactions/{{id}}/departure",
    Role.DRIVER,
    "not_found",
    "conflict",
    "invalid",
    status=204,
)
async def leave(request: TypedRequest[None, DepartureBody]) -> None:
    """Say when you leave, where the owner allows it: your car then waits no longer than it can"""
    own, number, load = household(request), request.number(), request.api.load
    read = partial(stored.own_transaction, household=own, number=number)
    found = await request.find(read, _open_session(number))
    site = await request.read(newest_site)
    if load is None or site is None or not parse(site.toml).options.driver_wishes:
        raise conflict(Told("cars are not charged by when their drivers leave here"))
    if not found.is_open or found.connector is None:
        raise not_found(_open_session(number))
    at = local_moment(request.body.departure, "departure", request.zone)
    if at is None or at <= request.api.stamp():
        raise invalid("departure", Told("give a time that is still to come"))
    place = found.charger, found.connector
    await load.depart(place, number, at, request.body.wanted_wh, by=request.caller.name)


async def _stop(request: Request, number: int, transaction: OwnTransaction) -> int:
    """Send a stop, unless it is under way already; return its command. Raises Problem."""
    payload = checked(OPERATIONS[STOP], {"transactionId": number})
    again = await repeated(request, transaction.charger, OPERATIONS[STOP], payload)
    if again is not None:
        return again
    if not transaction.is_open:
        raise not_found(_open_session(number))
    for command in await _under_way(request, transaction.charger, STOP):
        if command.asked_by == request.caller.name and command.payload == payload:
            return command.id
    return await _send(request, transaction.charger, STOP, payload)


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
        return (await order(sender, charger, OPERATIONS[action], payload)).command
    except Problem as problem:
        if problem.code in ("not_connected", "not_registered"):
            raise conflict(AWAY) from None
        raise


async def _respond(request: Request, number: int) -> DriversCommand | ApiAnswer[DriversCommand]:
    """Wait for the end of a command, unless the client does not, and return it."""
    if not is_waiting(request):
        return accepted(await _shown(request, number), f"{ME}/commands/{number}")
    async with request.api.places.wait():
        await request.api.chargers.wait(number)
    return await _shown(request, number)


@ENDPOINTS.get(f"{ME}/commands/{{id}}", Role.DRIVER, "not_found", "conflict", "invalid")
async def get_command(request: Request) -> DriversCommand:
    """Show what came of a start or a stop that you asked for"""
    return await _shown(request, request.number())


async def _shown(request: Request, number: int) -> DriversCommand:
    own, name = household(request), request.caller.name
    return await request.read(partial(read_command, household=own, asked_by=name, number=number))


def read_command(
    db: Database, household: HouseholdView, asked_by: str, number: int
) -> DriversCommand:
    """Return a command of somebody of a household. Raises Problem for any other."""
    own = stored.own_command(db, household, asked_by, number)
    if own is None:
        raise not_found(Told("command {1}", number))
    command = own.command
    is_over = command.state in FINAL and command.outcome != State.PENDING
    return DriversCommand(
        id=command.id,
        charger=command.charger,
        connector_id=own.connector,
        transaction=own.transaction,
        action="start" if command.action == START else "stop",
        state=command.state,
        outcome=command.outcome,
        words=words_of(command.action, command.state, command.outcome),
        submitted_at=command.requested_at,
        ended_at=(command.outcome_at or command.answered_at) if is_over else None,
    )


def words_of(action: str, state: str, outcome: str | None) -> str:
    """Return what came of a start or a stop so far. An outcome that was seen says more than an
    answer that was not."""
    words = {**(_STARTING if action == START else _STOPPING), **_LOST}
    is_told = outcome == State.FULFILLED or (state == "accepted" and outcome in words)
    return words.get(outcome or "" if is_told else state, Told("Nothing is known about it."))
