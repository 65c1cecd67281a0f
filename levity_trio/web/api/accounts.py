"""Accounts, and what belongs to them. All of it is about people, so viewers see none of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from levity_trio.access.tags import LONGEST_TAG
from levity_trio.billing.ownership import Span, Thing, What
from levity_trio.store.reads import accounts as stored
from levity_trio.store.reads.accounts import Account, AccountFilters
from levity_trio.store.reads.belongings import Belonging, belongings_of
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import accounts as writes
from levity_trio.store.writes import ownership, tags, vehicles
from levity_trio.store.writes.accounts import AccountData, Code, Refused
from levity_trio.store.writes.ownership import Belonging as Belongs
from levity_trio.store.writes.ownership import Said
from levity_trio.web.api.endpoints import ABSENT, Asked, Endpoint, Fields, Role, StructBody
from levity_trio.web.api.lists import Page, Paged, page, page_of, wanted
from levity_trio.web.api.local_times import GivenTime, LocalTime, local_moment, midnight
from levity_trio.web.api.openapi import OF_CODE
from levity_trio.web.api.problems import Problem, invalid, not_found
from levity_trio.web.api.shown import show, shown_as
from levity_trio.web.api.tags import TAG_PATTERN, IdTag

TAG: Final = "accounts"
ACCOUNTS: Final = "/api/admin/accounts"
ACCOUNT: Final = f"{ACCOUNTS}/{{id}}"
OF_PEOPLE: Final = ("name", "address", "contact", "notes")
PROBLEMS: Final = tuple(Code)
NOT_ONLY_DIGITS: Final = {"pattern": r"[^\d\s]"}

Name = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=200,
        description="Unlike all others, and not just a number.",
        extra_json_schema=NOT_ONLY_DIGITS | {"examples": ["Flat 3"]},
    ),
]
Text = Annotated[str, msgspec.Meta(max_length=2000)] | None
Id = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
Reason = Annotated[str, msgspec.Meta(max_length=500, description="Needed to take time before now from an account.")]


class AccountBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A household, open since today if nothing else is given."""

    name: Name
    address: Text = None
    contact: Text = None
    notes: Text = None
    since: LocalTime = None
    until: LocalTime = None


class AccountChangeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to change of an account; the rest stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    address: Text | msgspec.UnsetType = msgspec.UNSET
    contact: Text | msgspec.UnsetType = msgspec.UNSET
    notes: Text | msgspec.UnsetType = msgspec.UNSET
    since: GivenTime | msgspec.UnsetType = msgspec.UNSET
    until: LocalTime | msgspec.UnsetType = msgspec.UNSET


class AccountEndBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Until when an account is open: now, if nothing is given."""

    until: LocalTime = None


class ThingBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tag, a charger or one of its connectors, or a vehicle; of a tag, `vehicle` is the one that it names."""

    tag: IdTag | None = None
    charger: Annotated[str, msgspec.Meta(min_length=1, max_length=48)] | None = None
    connector: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] | None = None
    vehicle: Id | None = None


class GiveBody(ThingBody, kw_only=True):
    """What belongs to the account, since when (now) and until when. `name` is that of a space."""

    since: LocalTime = None
    until: LocalTime = None
    reason: Reason | None = None
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


class TakeBody(ThingBody, kw_only=True):
    """What no longer belongs to the account, and since when (now)."""

    since: LocalTime = None
    reason: Reason | None = None


class AccountsQuery(Paged, kw_only=True):
    name: Annotated[str, msgspec.Meta(description="Only with this name.")] | None = None
    search: Annotated[str, msgspec.Meta(description="A part of the name.")] | None = None
    open: Annotated[bool, msgspec.Meta(description="Only those that are open now, or are not.")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWithBelongings(Account):
    """An account, and what belongs to it or did, the newest first."""

    belongings: list[Belonging]


@contextmanager
def refusals(fields: Mapping[str, str] | None = None) -> Iterator[None]:
    """Report what the store refuses. `fields` are those of the request, by their names in the store. Raises Problem."""
    try:
        yield
    except Refused as refused:
        field = (fields or {}).get(refused.field, refused.field)
        members = {"field": field} if field else {}
        words = f"{field}: {refused.words}" if field else refused.words
        raise Problem(OF_CODE[refused.code], refused.code, words, **members) from None


def stored_fields(asked: Asked, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as they are stored: times in the database's format, texts trimmed. Raises Problem."""
    zone = asked.api.config.time_zone
    times = {name: local_moment(given[name], name, zone) for name in ("since", "until") if name in given}
    texts = {name: value.strip() or None for name, value in given.items() if isinstance(value, str)}
    if "name" in given and not texts.get("name"):
        raise invalid("name", "give a name")
    return {**given, **texts, **times}


def given_fields(body: msgspec.Struct) -> dict[str, Any]:
    """Return the fields that a body has."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}


async def list_accounts(asked: Asked) -> Page[Any]:
    query: AccountsQuery = asked.query
    filters = AccountFilters(now=asked.api.stamp(), name=query.name, search=query.search, is_open=query.open)
    return await page(asked.api, partial(stored.accounts, filters=filters, wanted=wanted(query)))


async def get_account(asked: Asked) -> Any:
    return await _shown(asked, asked.number())


async def create_account(asked: Asked) -> Any:
    fields = stored_fields(asked, given_fields(asked.body))
    fields["since"] = fields["since"] or midnight(asked.api.now(), asked.api.config.time_zone)
    with refusals():
        number = await asked.api.writer.run(writes.add, AccountData(**fields), asked.api.stamp(), asked.caller.name)
    return await _shown(asked, number)


async def change_account(asked: Asked) -> Any:
    return await _change(asked, stored_fields(asked, given_fields(asked.body)))


async def close_account(asked: Asked) -> Any:
    until = local_moment(asked.body.until, "until", asked.api.config.time_zone)
    return await _change(asked, {"until": until or asked.api.stamp()})


async def _change(asked: Asked, fields: Mapping[str, Any]) -> Any:
    with refusals():
        await asked.api.writer.run(writes.change, asked.number(), fields, asked.api.stamp(), asked.caller.name)
    return await _shown(asked, asked.number())


async def _shown(asked: Asked, number: int) -> Any:
    def read(db: Any) -> tuple[Account | None, list[Belonging]]:
        return stored.account(db, number), belongings_of(db, number)

    found, belongings = await asked.api.reader.run(read)
    if found is None:
        raise not_found(f"account {number}")
    return show(found) | {"belongings": show(belongings)}


# What belongs to them


async def give(asked: Asked) -> Any:
    body: GiveBody = asked.body
    belongs, said, zone = _belongs(asked, body), _said(asked), asked.api.config.time_zone
    span = Span(local_moment(body.since, "since", zone) or said.at, local_moment(body.until, "until", zone))
    if body.name is not None and body.charger is None:
        raise invalid("name", "only a space has a name here")

    def write(db: UnitOfWork) -> None:
        if belongs.vehicle is not None:
            vehicles.find(db, belongs.vehicle)
        ownership.give(db, asked.number(), belongs, span, said)
        if belongs.id_tag is not None:
            tags.admit(db, asked.api.id_tags.policy, belongs.id_tag, span.until, said.at, said.by)
        if body.name is not None:
            ownership.name_space(db, belongs.thing, body.name.strip())

    with refusals():
        await asked.api.writer.run(write)
    return await _shown(asked, asked.number())


async def take(asked: Asked) -> Any:
    body: TakeBody = asked.body
    thing, said = _belongs(asked, body).thing, _said(asked)
    since = local_moment(body.since, "since", asked.api.config.time_zone) or said.at
    with refusals():
        await asked.api.writer.run(ownership.take, asked.number(), thing, since, said)
    return await _shown(asked, asked.number())


def _said(asked: Asked) -> Said:
    reason = (asked.body.reason or "").strip()
    return Said(asked.api.stamp(), asked.caller.name, reason or None)


def _belongs(asked: Asked, body: ThingBody) -> Belongs:
    """Return the thing that a body names. Raises Problem."""
    if body.connector is not None and body.charger is None:
        raise invalid("charger", "give the charger of the connector")
    if body.tag is not None and body.charger is None:
        tag = body.tag.strip()
        return Belongs(Thing(What.TAG, asked.api.id_tags.policy.key(tag)), tag, body.vehicle)
    if body.charger is not None and body.tag is None and body.vehicle is None:
        return Belongs(Thing(What.SPACE, body.charger, body.connector or 0))
    if body.vehicle is not None and body.charger is None:
        return Belongs(Thing(What.VEHICLE, str(body.vehicle)), vehicle=body.vehicle)
    raise invalid("body", "give a tag, a charger (perhaps with a connector), or a vehicle")


def _ways(*others: str) -> list[Fields]:
    """Return the ways to name a thing; `others` are fields that only a space has."""
    tag = {"type": "string", "pattern": TAG_PATTERN, "maxLength": LONGEST_TAG}
    charger = {"type": "string", "minLength": 1, "maxLength": 48}
    no_space = {"charger": ABSENT, "connector": ABSENT, **dict.fromkeys(others, ABSENT)}
    return [
        {"tag": tag, **no_space},
        {"tag": ABSENT, "charger": charger, "vehicle": ABSENT},
        {"tag": ABSENT, "vehicle": {"type": "integer", "minimum": 1, "maximum": 2**62}, **no_space},
    ]


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=ACCOUNTS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List accounts, by their names.",
        handle=list_accounts,
        query=AccountsQuery,
        answer=page_of(Account),
    ),
    Endpoint(
        method="POST",
        path=ACCOUNTS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Add an account.",
        handle=create_account,
        body=StructBody(AccountBody),
        answer=shown_as(AccountWithBelongings),
        status=HTTPStatus.CREATED,
        problems=("in_use", "conflict"),
        personal=OF_PEOPLE,
    ),
    Endpoint(
        method="GET",
        path=ACCOUNT,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show an account, what belongs to it, and what did.",
        handle=get_account,
        answer=shown_as(AccountWithBelongings),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="PATCH",
        path=ACCOUNT,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Change an account.",
        handle=change_account,
        body=StructBody(AccountChangeBody),
        answer=shown_as(AccountWithBelongings),
        problems=("not_found", "in_use", "conflict"),
        personal=OF_PEOPLE,
    ),
    Endpoint(
        method="POST",
        path=f"{ACCOUNT}/close",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Close an account. What belongs to it goes on to, until it is taken or given to another.",
        handle=close_account,
        body=StructBody(AccountEndBody),
        answer=shown_as(AccountWithBelongings),
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path=f"{ACCOUNT}/give",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Make a tag, which then may charge, a space or a vehicle belong to an account, and to no other.",
        handle=give,
        body=StructBody(GiveBody, partial(_ways, "name")),
        answer=shown_as(AccountWithBelongings),
        problems=PROBLEMS,
        personal=("name", "reason"),
    ),
    Endpoint(
        method="POST",
        path=f"{ACCOUNT}/take",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Take a tag, a space or a vehicle from an account; then it belongs to nobody.",
        handle=take,
        body=StructBody(TakeBody, _ways),
        answer=shown_as(AccountWithBelongings),
        problems=PROBLEMS,
        personal=("reason",),
    ),
)
