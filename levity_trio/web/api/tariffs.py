"""Tariffs: versions, each as it was given, and for whom they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
import trio

from levity_trio.billing.assignments import SITE, Scope, Target
from levity_trio.billing.examples import FLAT
from levity_trio.billing.tariff import Tariff as Parsed
from levity_trio.billing.tariff_file import LONGEST, TariffFaults, parse
from levity_trio.store.reads import tariffs as stored
from levity_trio.store.reads.tariffs import AssignedTariff, Tariff, TariffInForce, TariffVersion, UnknownTarget
from levity_trio.store.tariffs import first_open_day
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import tariffs as writes
from levity_trio.store.writes.accounts import Change
from levity_trio.store.writes.ownership import Said
from levity_trio.store.writes.tariff_corrections import CorrectedStatement, correcting
from levity_trio.store.writes.tariffs import Assigning, Given
from levity_trio.web.api.accounts import Id, refusals
from levity_trio.web.api.billing import rule
from levity_trio.web.api.endpoints import ABSENT, HIGHEST_ID, Asked, Endpoint, Fields, Role, StructBody
from levity_trio.web.api.lists import Page, Paged, page, page_of, wanted
from levity_trio.web.api.local_times import DAY, LocalDay, begins_at, local_day, today
from levity_trio.web.api.problems import Problem, invalid, not_found
from levity_trio.web.api.shown import show, shown_as

T = TypeVar("T")
TAG: Final = "tariffs"
TARIFFS: Final = "/api/admin/tariffs"
TARIFF: Final = f"{TARIFFS}/{{id}}"
ASSIGNMENTS: Final = "/api/admin/tariff-assignments"
IN_FORCE: Final = "/api/admin/tariff-in-force"

Reason = Annotated[str, msgspec.Meta(max_length=500)] | None
Charger = Annotated[str, msgspec.Meta(min_length=1, max_length=48)]


Corrects = Annotated[bool, msgspec.Meta(description="Do it also if it corrects statements that are closed already.")]


class VersionBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A version of a tariff, as TOML."""

    toml: Annotated[str, msgspec.Meta(max_length=LONGEST, examples=[FLAT])]
    reason: Reason = None
    correct_statements: Corrects = False


class WithdrawalBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The version, by the day from which it holds."""

    since: LocalDay
    reason: Reason = None
    correct_statements: Corrects = False


class AssignmentBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tariff, or (null) none, from a day on: for an account, a charger, or the whole site."""

    tariff: Id | None
    since: LocalDay
    account: Id | None = None
    charger: Charger | None = None
    site: bool = False
    reason: Reason = None
    correct_statements: Corrects = False


class TariffsQuery(Paged, kw_only=True):
    name: Annotated[str, msgspec.Meta(description="Only with this name.")] | None = None


class AssignmentsQuery(Paged, kw_only=True):
    tariff: Annotated[Id, msgspec.Meta(description="Only of this tariff.")] | None = None
    account: Annotated[Id, msgspec.Meta(description="Only for this account.")] | None = None
    charger: Annotated[str, msgspec.Meta(description="Only for this charger.")] | None = None
    site: Annotated[bool, msgspec.Meta(description="Only for the site.")] = False


class InForceQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    account: Id | None = None
    charger: str | None = None
    day: Annotated[str, msgspec.Meta(description="Today by default.", extra_json_schema=DAY)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffWithVersions(Tariff):
    """A tariff, its versions, the newest day first, and its newest assignments (500 at most)."""

    versions: list[TariffVersion]
    assignments: list[AssignedTariff]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAddition(TariffWithVersions):
    """The tariff of a version. `result` is added, or same: then this version was there before."""

    result: str
    corrected: list[CorrectedStatement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment(AssignedTariff):
    """An assignment. `result` is added, or same: then it was there before."""

    result: str
    corrected: list[CorrectedStatement]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionWithdrawal(TariffWithVersions):
    """The tariff of a version that was withdrawn."""

    corrected: list[CorrectedStatement]


# Versions


async def list_tariffs(asked: Asked) -> Page[Any]:
    query: TariffsQuery = asked.query
    return await page(asked.api, partial(stored.tariffs, name=query.name, today=_today(asked), wanted=wanted(query)))


async def get_tariff(asked: Asked) -> Any:
    return await shown(asked, asked.number())


async def add_version(asked: Asked) -> Any:
    toml: str = asked.body.toml
    given, said = Given(toml, await parsed(toml)), said_by(asked)

    def change(db: UnitOfWork) -> Change:
        return writes.add(db, given, first_open_day(db.rows), said)

    with refusals({"valid_from": "toml"}):
        done, corrected = await made(asked, change)
    return await shown(asked, done.id) | {"result": done.word, "corrected": show(corrected)}


async def made(asked: Asked, change: Callable[[UnitOfWork], T]) -> tuple[T, list[CorrectedStatement]]:
    """Make a change, and return what it corrects of closed statements. Raises Refused."""
    billed_by, may_correct = rule(asked), asked.body.correct_statements

    def write(db: UnitOfWork) -> tuple[T, list[CorrectedStatement]]:
        return correcting(db, billed_by, partial(change, db), may_correct=may_correct)

    return await asked.api.writer.run(write)


async def parsed(toml: str, fields: Mapping[str, str] | None = None) -> Parsed:
    """Return what a text says; it may take half a second. Raises Problem with all faults.

    `fields` are those of the request by the places in the text that they are in.
    """
    try:
        return await trio.to_thread.run_sync(parse, toml)
    except TariffFaults as faults:
        place, _, words = faults.args[0].partition(": ")
        field, first = (fields[place], words) if fields and place in fields else ("toml", faults.args[0])
        more = f", and {len(faults.args) - 1} more" if len(faults.args) > 1 else ""
        raise Problem(422, "invalid", f"{field}: {first}{more}", field=field, faults=faults.args) from None


async def withdraw_version(asked: Asked) -> Any:
    number, since, said = asked.number(), local_day(asked.body.since, "since"), said_by(asked)

    def change(db: UnitOfWork) -> None:
        writes.withdraw(db, number, since, first_open_day(db.rows), said)

    with refusals():
        _, corrected = await made(asked, change)
    return await shown(asked, number) | {"corrected": show(corrected)}


def said_by(asked: Asked) -> Said:
    return Said(asked.api.stamp(), asked.caller.name, (asked.body.reason or "").strip() or None)


async def shown(asked: Asked, number: int) -> dict[str, Any]:
    found = await asked.api.reader.run(partial(stored.tariff, number=number, today=_today(asked)))
    if found is None:
        raise not_found(f"tariff {number}")
    tariff, versions, assignments = found
    return {**show(tariff), "versions": show(versions), "assignments": show(assignments)}


# Assignments


async def list_assignments(asked: Asked) -> Page[Any]:
    query: AssignmentsQuery = asked.query
    targets = _targets(query.account, query.charger, is_site=query.site)
    read = partial(stored.assignments, targets=targets, tariff=query.tariff, wanted=wanted(query))
    return await page(asked.api, read)


async def assign(asked: Asked) -> Any:
    body: AssignmentBody = asked.body
    since, said = local_day(body.since, "since"), said_by(asked)
    targets = _targets(body.account, body.charger, is_site=body.site)
    if len(targets) != 1:
        raise invalid("body", "give exactly one of account, charger and site")
    given = Assigning(targets[0], body.tariff, since, begins_at(since, asked.api.config.time_zone))

    def change(db: UnitOfWork) -> Change:
        return writes.assign(db, given, first_open_day(db.rows), said)

    with refusals():
        done, corrected = await made(asked, change)
    found = show(await asked.api.reader.run(partial(stored.assignment, number=done.id)))
    return found | {"result": done.word, "corrected": show(corrected)}


def _targets(account: int | None, charger: str | None, *, is_site: bool) -> list[Target]:
    found = [] if account is None else [Target(Scope.ACCOUNT, str(account))]
    found += [] if charger is None else [Target(Scope.CHARGER, charger)]
    return [*found, SITE] if is_site else found


def _today(asked: Asked) -> date:
    return today(asked.api.now(), asked.api.config.time_zone)


async def get_in_force(asked: Asked) -> Any:
    query: InForceQuery = asked.query
    day = _today(asked) if query.day is None else local_day(query.day, "day")
    read = partial(stored.in_force, account=query.account, charger=query.charger, day=day)
    try:
        return show(await asked.api.reader.run(read))
    except UnknownTarget as unknown:
        raise not_found(str(unknown)) from None


def _ways() -> list[Fields]:
    """Return the ways to say for whom a tariff is."""
    account = {"type": "integer", "minimum": 1, "maximum": HIGHEST_ID}
    charger = {"type": "string", "minLength": 1, "maxLength": 48}
    return [
        {"account": account, "charger": ABSENT, "site": {"const": False}},
        {"account": ABSENT, "charger": charger, "site": {"const": False}},
        {"account": ABSENT, "charger": ABSENT, "site": {"const": True}},
    ]


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=TARIFFS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List tariffs, by their names.",
        handle=list_tariffs,
        query=TariffsQuery,
        answer=page_of(Tariff),
    ),
    Endpoint(
        method="POST",
        path=TARIFFS,
        role=Role.ADMIN,
        tag=TAG,
        summary="Add a version of a tariff; one that is there already changes nothing.",
        handle=add_version,
        body=StructBody(VersionBody),
        answer=shown_as(VersionAddition),
        status=HTTPStatus.CREATED,
        problems=("in_use", "conflict", "corrects_statements"),
    ),
    Endpoint(
        method="GET",
        path=TARIFF,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show a tariff, its versions, also those that were withdrawn, and for whom it was assigned.",
        handle=get_tariff,
        answer=shown_as(TariffWithVersions),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="POST",
        path=f"{TARIFF}/withdraw",
        role=Role.ADMIN,
        tag=TAG,
        summary="Withdraw a version that no closed month has used: it never held.",
        handle=withdraw_version,
        body=StructBody(WithdrawalBody),
        answer=shown_as(VersionWithdrawal),
        problems=("not_found", "conflict", "corrects_statements"),
    ),
    Endpoint(
        method="GET",
        path=ASSIGNMENTS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List for whom tariffs were assigned, the newest first.",
        handle=list_assignments,
        query=AssignmentsQuery,
        answer=page_of(AssignedTariff),
    ),
    Endpoint(
        method="POST",
        path=ASSIGNMENTS,
        role=Role.ADMIN,
        tag=TAG,
        summary="Make a tariff, or none, hold for an account, a charger or the site from a day on.",
        handle=assign,
        body=StructBody(AssignmentBody, _ways),
        answer=shown_as(Assignment),
        status=HTTPStatus.CREATED,
        problems=("not_found", "conflict", "corrects_statements"),
    ),
    Endpoint(
        method="GET",
        path=IN_FORCE,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Say which tariff holds for an account at a charger on a day, and why.",
        handle=get_in_force,
        query=InForceQuery,
        answer=shown_as(TariffInForce),
        problems=("not_found", "invalid"),
    ),
)
