"""Registration: newcomers, and what a person decides about chargers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec

from levity_trio.charger.facade import Change
from levity_trio.store.reads import registration as stored
from levity_trio.store.reads.registration import Newcomer
from levity_trio.store.reads.registration import RegistrationDecision as Decision
from levity_trio.store.writes.hiding import UnknownCharger
from levity_trio.store.writes.registration import Decided, Otherwise
from levity_trio.web.api.charger_facts import PagedWhose, whose
from levity_trio.web.api.chargers import CHARGER, TAG
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.lists import Page, Paged, hidden_in, page, page_of, wanted
from levity_trio.web.api.problems import Problem, not_found

ADMIN: Final = "/api/admin"


class NewcomersQuery(Paged, kw_only=True):
    waiting: Annotated[bool, msgspec.Meta(description="Only those that wait for a person.")] = False


class RegistrationBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why, for those who ask later."""

    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class ChargerDecisionBody(RegistrationBody, kw_only=True):
    """With `seen`, the registration that was seen, the decision is refused if somebody has decided since."""

    seen: Literal["newcomer", "adopted", "refused"] | None = None


class RegistrationChange(msgspec.Struct, kw_only=True):
    """What a decision changed; `boot` is the command that asks the charger to boot."""

    charger: str
    registration: str
    is_changed: bool
    boot: int | None = None


class AdoptionReport(msgspec.Struct, kw_only=True):
    """The chargers that were adopted now."""

    adopted: list[str]


async def list_newcomers(asked: Asked) -> Page[Any]:
    query: NewcomersQuery = asked.query
    read = partial(stored.newcomers, wanted=wanted(query), is_waiting=query.waiting)
    return await page(asked.api, lambda db: hidden_in(asked, read(db), "remote_address"))


async def list_decisions(asked: Asked) -> Page[Any]:
    read = partial(stored.decisions, charger=await whose(asked), wanted=wanted(asked.query))
    return await page(asked.api, lambda db: hidden_in(asked, read(db), "decided_by", "reason"))


async def adopt(asked: Asked) -> RegistrationChange:
    return await _decide(asked, "adopted", asked.api.chargers.adopt)


async def refuse(asked: Asked) -> RegistrationChange:
    return await _decide(asked, "refused", asked.api.chargers.refuse)


async def _decide(asked: Asked, decision: str, decide: Callable[..., Awaitable[Change]]) -> RegistrationChange:
    charger = asked.path["id"]
    try:
        change = await decide(charger, _decided(asked), asked.body.seen)
    except UnknownCharger:
        raise not_found(f"charger {charger}") from None
    except Otherwise as now:
        raise Problem(HTTPStatus.CONFLICT, "already_decided", f"somebody has decided: {charger} is {now}") from None
    return RegistrationChange(charger=charger, registration=decision, is_changed=change.is_changed, boot=change.boot)


async def adopt_all(asked: Asked) -> AdoptionReport:
    return AdoptionReport(adopted=await asked.api.chargers.adopt_all(_decided(asked)))


def _decided(asked: Asked) -> Decided:
    return Decided(asked.api.stamp(), asked.caller.name, asked.body.reason)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=f"{ADMIN}/newcomers",
        role=Role.VIEWER,
        tag=TAG,
        summary="List the chargers that nobody adopted or refused, in the order of their identities.",
        handle=list_newcomers,
        query=NewcomersQuery,
        answer=page_of(Newcomer),
        problems=("invalid",),
    ),
    Endpoint(
        method="POST",
        path=f"{ADMIN}/newcomers/adopt",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Adopt all newcomers with a transaction.",
        handle=adopt_all,
        body=StructBody(RegistrationBody),
        answer=AdoptionReport,
    ),
    Endpoint(
        method="POST",
        path=f"{CHARGER}/refuse",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Refuse a charger: its boot is answered Rejected, and it is sent nothing. What it reports is kept.",
        handle=refuse,
        body=StructBody(ChargerDecisionBody),
        answer=RegistrationChange,
        problems=("not_found", "already_decided"),
    ),
    Endpoint(
        method="POST",
        path=f"{CHARGER}/adopt",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Adopt a charger: it is registered. One that waits and is connected is asked to boot.",
        handle=adopt,
        body=StructBody(ChargerDecisionBody),
        answer=RegistrationChange,
        problems=("not_found", "already_decided"),
    ),
    Endpoint(
        method="GET",
        path=f"{ADMIN}/registrations",
        role=Role.VIEWER,
        tag=TAG,
        summary="List the decisions about all chargers, the newest first.",
        handle=list_decisions,
        query=PagedWhose,
        answer=page_of(Decision),
        problems=("invalid",),
    ),
    Endpoint(
        method="GET",
        path=f"{CHARGER}/registrations",
        role=Role.VIEWER,
        tag=TAG,
        summary="List the decisions about a charger, the newest first.",
        handle=list_decisions,
        query=Paged,
        answer=page_of(Decision),
        problems=("not_found", "invalid"),
    ),
)
