"""Registration: newcomers, and what a person decides about chargers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from levity_trio.charger.facade import RegistrationResult
from levity_trio.store.reads.chargers import security
from levity_trio.store.reads.chargers.security import Newcomer
from levity_trio.store.reads.chargers.security import RegistrationDecision as Decision
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.chargers.hiding import UnknownIdentity
from levity_trio.store.writes.chargers.registration import DecidedBy, Otherwise
from levity_trio.told import Told
from levity_trio.web.api.chargers.charger_facts import PagedWhose, known_charger
from levity_trio.web.api.chargers.chargers import CHARGER, TAG
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.endpoints import Endpoints, Role, TypedRequest
from levity_trio.web.api.engine.lists import Paged, page, wanted
from levity_trio.web.api.engine.problems import Problem, not_found

ENDPOINTS: Final = Endpoints(TAG)

ADMIN: Final = "/api/admin"


class NewcomersQuery(Paged):
    waiting: Annotated[bool, Meta(description="Only those that wait for a person.")] = False


class RegistrationBody(ClientInput):
    """Why, for those who ask later."""

    reason: Annotated[str, Meta(max_length=500)] = ""


class ChargerDecisionBody(RegistrationBody):
    """With `seen`, the registration that was seen, the decision is refused if somebody has decided
    since."""

    seen: Literal["newcomer", "adopted", "refused"] | None = None


class RegistrationChange(msgspec.Struct):
    """What a decision changed; `boot` is the command that asks the charger to boot."""

    charger: str
    registration: str
    is_changed: bool
    boot: int | None = None


class AdoptionReport(msgspec.Struct):
    """The chargers that were adopted now."""

    adopted: list[str]


@ENDPOINTS.get(f"{ADMIN}/newcomers", Role.VIEWER, "invalid")
async def list_newcomers(request: TypedRequest[NewcomersQuery, None]) -> ListPage[Newcomer]:
    """List the chargers that nobody adopted or refused, in the order of their identities."""
    query = request.query
    read = partial(security.newcomers, wanted=wanted(query), is_waiting=query.waiting)
    return await page(request, read)


@ENDPOINTS.post(f"{ADMIN}/newcomers/adopt", Role.OPERATOR)
async def adopt_all(request: TypedRequest[None, RegistrationBody]) -> AdoptionReport:
    """Adopt all newcomers with a session."""
    adopted = await request.api.chargers.adopt_all(_decided(request))
    return AdoptionReport(adopted=adopted)


@ENDPOINTS.post(f"{CHARGER}/refuse", Role.OPERATOR, "not_found", "already_decided")
async def refuse(request: TypedRequest[None, ChargerDecisionBody]) -> RegistrationChange:
    """Refuse a charger: its boot is answered Rejected, and it is sent nothing. What it reports is
    kept."""
    return await _decide(request, "refused", request.api.chargers.refuse)


@ENDPOINTS.post(f"{CHARGER}/adopt", Role.OPERATOR, "not_found", "already_decided")
async def adopt(request: TypedRequest[None, ChargerDecisionBody]) -> RegistrationChange:
    """Adopt a charger: it is registered. One that waits and is connected is asked to boot."""
    return await _decide(request, "adopted", request.api.chargers.adopt)


async def _decide(
    request: TypedRequest[None, ChargerDecisionBody],
    decision: str,
    decide: Callable[[str, DecidedBy, str | None], Awaitable[RegistrationResult]],
) -> RegistrationChange:
    charger = request.path["id"]
    try:
        change = await decide(charger, _decided(request), request.body.seen)
    except UnknownIdentity:
        raise not_found(Told("charger {1}", charger)) from None
    except Otherwise as now:
        words = Told("somebody has decided: {1} is {2}", charger, Told(str(now)))
        raise Problem(HTTPStatus.CONFLICT, "already_decided", words) from None
    return RegistrationChange(
        charger=charger, registration=decision, is_changed=change.is_changed, boot=change.boot
    )


@ENDPOINTS.get(f"{ADMIN}/registrations", Role.VIEWER, "invalid")
async def list_decisions(request: TypedRequest[PagedWhose, None]) -> ListPage[Decision]:
    """List the decisions about all chargers, the newest first."""
    return await _decisions(request, request.query.charger)


@ENDPOINTS.get(f"{CHARGER}/registrations", Role.VIEWER, "not_found", "invalid")
async def list_decisions_about(request: TypedRequest[Paged, None]) -> ListPage[Decision]:
    """List the decisions about a charger, the newest first."""
    return await _decisions(request, await known_charger(request))


async def _decisions(request: TypedRequest[Paged, None], charger: str | None) -> ListPage[Decision]:
    read = partial(security.decisions, charger=charger, wanted=wanted(request.query))
    return await page(request, read)


def _decided(request: TypedRequest[None, RegistrationBody]) -> DecidedBy:
    return DecidedBy(request.api.stamp(), request.caller.name, request.body.reason)
