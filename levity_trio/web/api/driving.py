"""What drivers do: see which chargers are free, start, stop their own session, and learn what came of it.

A driver never learns about others: a session, a command or a tag of another household is as one that does not exist,
and warnings for operators stay theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec

from levity_trio.operations import OPERATIONS
from levity_trio.operations.outcomes import State
from levity_trio.store.reads import driving as stored
from levity_trio.store.reads.driving import (
    START,
    STOP,
    Household,
    OwnCommand,
    OwnTag,
    OwnTransaction,
    Place,
    PlacesOfCharger,
    UnderWay,
)
from levity_trio.store.writes.commands import FINAL
from levity_trio.web.api.billing import rule
from levity_trio.web.api.driving_words import AWAY, NO_TAG, NOT_YOURS, REFUSED, SPENT, WHY_NOT, words_of
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.lists import Page, page_of, whole
from levity_trio.web.api.operations import WaitQuery, accepted, checked, is_waiting, order, repeated
from levity_trio.web.api.problems import Problem, invalid, not_found
from levity_trio.web.api.shown import show, shown_as

TAG: Final = "drivers"
ME: Final = "/api/me"
LONGEST_TAG: Final = 255


class StartBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where, and with which tag of the household. Both may be left out where there is only one."""

    connector_id: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] | None = None
    id_tag: Annotated[str, msgspec.Meta(max_length=LONGEST_TAG)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriversCommand:
    """A start or a stop that a driver asked for. `words` tell what came of it so far.

    `state` is that of any command, `outcome` what later facts tell. `transaction` is the one that it begins or ends;
    `ended_at` is when it was settled, null while something may still come of it.
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


def account_of(asked: Asked) -> int:
    """Return the account of a driver. Raises Problem for somebody without one."""
    if asked.caller.account is None:
        raise _conflict("you belong to no household")
    return asked.caller.account


def household(asked: Asked) -> Household:
    """Return the household of a driver. Raises Problem for somebody without one."""
    return Household(account_of(asked), rule(asked))


def _conflict(words: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, "conflict", words)


# Chargers


async def list_chargers(asked: Asked) -> Page[Any]:
    return whole(await _places(asked))


async def get_charger(asked: Asked) -> Any:
    return show(await _charger(asked))


async def _places(asked: Asked, charger: str | None = None, tag: str | None = None) -> list[PlacesOfCharger]:
    own = Household(asked.caller.account, rule(asked))  # anybody may look
    read = partial(stored.places, household=own, now=asked.api.now(), charger=charger, tag=tag)
    return await asked.api.reader.run(read)


async def _charger(asked: Asked, tag: str | None = None) -> PlacesOfCharger:
    """Return the charger in the path, as seen with a tag. Raises Problem."""
    charger = asked.path["id"]
    found = await _places(asked, charger, tag)
    if not found:
        raise not_found(f"charger {charger}")
    return found[0]


# Start


async def start(asked: Asked) -> Any:
    own = household(asked)
    async with asked.api.allotting:  # so that two never start at one connector
        number = await _start(asked, own)
    return await _respond(asked, number)


async def _start(asked: Asked, own: Household) -> int:
    """Send a start, unless it is under way already; return its command. Raises Problem."""
    connector = _connector(asked, await _charger(asked))
    tag = _tag(asked, await tags_of(asked))
    payload = checked(OPERATIONS[START], {"connectorId": connector, "idTag": tag.id_tag})
    again = await repeated(asked, asked.path["id"], OPERATIONS[START], payload)
    if again is None:
        again = await _same(asked, START, payload)
    if again is not None:
        return again
    charger = await _charger(asked, tag=tag.key)
    _check_free(next(one for one in charger.connectors if one.id == connector))
    await _check_tag(asked, own, tag)
    pays = partial(stored.would_pay, id_tag=tag.id_tag, place=(charger.id, connector), at=asked.api.stamp())
    if not await asked.api.reader.run(partial(pays, household=own)):
        raise _conflict(NOT_YOURS)
    return await _send(asked, charger.id, START, payload)


async def tags_of(asked: Asked) -> list[OwnTag]:
    """Return the tags of the household as they are now. Raises Problem."""
    return await asked.api.reader.run(partial(stored.tags_of, account=account_of(asked), at=asked.api.stamp()))


def _connector(asked: Asked, charger: PlacesOfCharger) -> int:
    known, given = [one.id for one in charger.connectors], asked.body.connector_id
    if not known:
        raise _conflict(AWAY)
    if given is None and len(known) == 1:
        return known[0]
    if given not in known:
        raise invalid("connector_id", f"choose one of {', '.join(map(str, known))}")
    return int(given)


def _tag(asked: Asked, tags: list[OwnTag]) -> OwnTag:
    """Return the tag that was chosen, else the only one that may charge. Raises Problem."""
    if not tags:
        raise _conflict(NO_TAG)
    usable = [one for one in tags if why_not(asked, one) is None]
    given, choices = asked.body.id_tag, ", ".join(one.id_tag for one in usable or tags)
    if given is not None:
        key = asked.api.id_tags.policy.key(given)
        chosen = [one for one in tags if one.key == key]
    else:
        chosen = usable or tags
    if len(chosen) != 1:
        raise invalid("id_tag", f"choose one of your household's cards: {choices}")
    return chosen[0]


def why_not(asked: Asked, tag: OwnTag) -> str | None:
    """Return why a tag may not charge, None if it may, as far as is known before it is presented."""
    tags, at = asked.api.id_tags, asked.api.stamp()
    known = tags.find(tag.key)
    verdict = tags.judge(tag.id_tag, at)
    if verdict.is_accepted or tags.policy.is_asked_outside(tag.key, known):
        return None
    is_spent = tags.policy.judge(tag.key, known, at).is_accepted
    return SPENT if is_spent else WHY_NOT.get(verdict.status, "it is refused here")


async def _same(asked: Asked, action: str, payload: Mapping[str, Any]) -> int | None:
    """Return the command of the same driver that asks for the same and is under way. Raises Problem for another start
    at the same connector: what it begins is not an open transaction yet."""
    for one in await _under_way(asked, asked.path["id"], action):
        if one.asked_by == asked.caller.name and one.payload == payload:
            return one.id
        if one.payload.get("connectorId", payload["connectorId"]) == payload["connectorId"]:
            raise _conflict("somebody is starting a session at this connector just now")
    return None


async def _under_way(asked: Asked, charger: str, action: str) -> list[UnderWay]:
    read = partial(stored.under_way, charger=charger, action=action, now=asked.api.now())
    return await asked.api.reader.run(read)


def _check_free(place: Place) -> None:
    if place.transaction is not None:
        raise _conflict(f"your session {place.transaction} is open at this connector")
    if (words := REFUSED.get(place.state)) is not None:
        raise _conflict(words)


async def _check_tag(asked: Asked, own: Household, tag: OwnTag) -> None:
    words, known = why_not(asked, tag), asked.api.id_tags.find(tag.key)
    if words is None and known is not None and known.most is not None:
        count = await asked.api.reader.run(partial(stored.running, rule=own.rule, key=tag.key))
        words = "it is charging already" if count >= known.most else None
    if words is not None:
        raise _conflict(f"the card {tag.id_tag} cannot be used: {words}")


# Stop


async def stop(asked: Asked) -> Any:
    own, number = household(asked), asked.number()
    async with asked.api.allotting:
        found = await asked.api.reader.run(partial(stored.own_transaction, household=own, number=number))
        if found is None:
            raise _not_open(number)
        sent = await _stop(asked, number, found)
    return await _respond(asked, sent)


async def _stop(asked: Asked, number: int, found: OwnTransaction) -> int:
    """Send a stop, unless it is under way already; return its command. Raises Problem."""
    payload = checked(OPERATIONS[STOP], {"transactionId": number})
    again = await repeated(asked, found.charger, OPERATIONS[STOP], payload)
    if again is not None:
        return again
    if not found.is_open:
        raise _not_open(number)
    for one in await _under_way(asked, found.charger, STOP):
        if one.asked_by == asked.caller.name and one.payload == payload:
            return one.id
    return await _send(asked, found.charger, STOP, payload)


def _not_open(number: int) -> Problem:
    return not_found(f"open session {number} of your household")


# Commands


async def _send(asked: Asked, charger: str, action: str, payload: dict[str, Any]) -> int:
    """Send what is asked for, as an operator's request does. Raises Problem, in words for drivers."""
    try:
        return (await order(replace(asked, query=WaitQuery()), charger, OPERATIONS[action], payload)).command
    except Problem as problem:
        if problem.code in ("not_connected", "not_registered"):
            raise _conflict(AWAY) from None
        raise


async def _respond(asked: Asked, number: int) -> Any:
    """Wait for the end of a command, unless the client does not, and return it."""
    if not is_waiting(asked):
        return accepted(await _shown(asked, number), f"{ME}/commands/{number}")
    async with asked.api.places.wait():
        await asked.api.chargers.wait(number)
    return await _shown(asked, number)


async def get_command(asked: Asked) -> Any:
    return await _shown(asked, asked.number())


async def _shown(asked: Asked, number: int) -> Any:
    read = partial(stored.own_command, household=household(asked), asked_by=asked.caller.name, number=number)
    found = await asked.api.reader.run(read)
    if found is None:
        raise not_found(f"command {number}")
    return show(_for_driver(found))


def _for_driver(own: OwnCommand) -> DriversCommand:
    one = own.command
    is_over = one.state in FINAL and one.outcome != State.PENDING
    return DriversCommand(
        id=one.id,
        charger=one.charger,
        connector_id=own.connector,
        transaction=own.transaction,
        action="start" if one.action == START else "stop",
        state=one.state,
        outcome=one.outcome,
        words=words_of(one.action, one.state, one.outcome),
        submitted_at=one.requested_at,
        ended_at=(one.outcome_at or one.answered_at) if is_over else None,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=f"{ME}/chargers",
        role=Role.DRIVER,
        tag=TAG,
        summary="List the chargers: which connectors are free, and your own open sessions",
        handle=list_chargers,
        answer=page_of(PlacesOfCharger),
    ),
    Endpoint(
        method="GET",
        path=f"{ME}/chargers/{{id}}",
        role=Role.DRIVER,
        tag=TAG,
        summary="Show which connectors of a charger are free",
        handle=get_charger,
        answer=shown_as(PlacesOfCharger),
        problems=("not_found",),
    ),
    Endpoint(
        method="POST",
        path=f"{ME}/chargers/{{id}}/start",
        role=Role.DRIVER,
        tag=TAG,
        summary="Start a session with a tag of your household",
        handle=start,
        body=StructBody(StartBody),
        answer=shown_as(DriversCommand),
        problems=("not_found", "conflict", "invalid", "queue_full", "too_many_waiting"),
    ),
    Endpoint(
        method="POST",
        path=f"{ME}/transactions/{{id}}/stop",
        role=Role.DRIVER,
        tag=TAG,
        summary="Stop an open session of your household",
        handle=stop,
        answer=shown_as(DriversCommand),
        problems=("not_found", "conflict", "invalid", "queue_full", "too_many_waiting"),
    ),
    Endpoint(
        method="GET",
        path=f"{ME}/commands/{{id}}",
        role=Role.DRIVER,
        tag=TAG,
        summary="Show what came of a start or a stop that you asked for",
        handle=get_command,
        answer=shown_as(DriversCommand),
        problems=("not_found", "conflict", "invalid"),
    ),
)
