"""Billing of months: since when, the draft that is prepared step by step, and the closing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from levity_trio.billing.months import Month
from levity_trio.billing.ownership import BillBy
from levity_trio.store.billing.due import Plan, Terms
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.preparing import Progress
from levity_trio.store.reads import billing as stored
from levity_trio.store.writes.billing import closing
from levity_trio.store.writes.billing.closing import Code, Order, Refused
from levity_trio.web.api.endpoints import HIGHEST_ID, MINOR_UNITS, Asked, Endpoint, Role, StructBody
from levity_trio.web.api.local_times import LocalDay, local_day
from levity_trio.web.api.problems import Problem, invalid, not_found
from levity_trio.web.api.shown import show, shown_as

BILLING: Final = "/api/admin/billing"
DRAFT: Final = "/api/admin/drafts/{month}"
CLOSING: Final = "/api/admin/closings/{month}"
TAG: Final = "billing"
SECONDS: Final = 10.0
"""A request works on a draft for so long at most; the client asks again until it is ready."""
SALT_BYTES: Final = 32
SETTLED_AT_ONCE: Final = 500
Minor = Annotated[
    int, msgspec.Meta(ge=0, lt=2**53, description="In minor units of the currency.", extra_json_schema=MINOR_UNITS)
]
Account = Annotated[int, msgspec.Meta(ge=1, le=HIGHEST_ID, description="Only this one, which moves out.")]


class BeginBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    begun_on: LocalDay


class TermsBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    account: Account | None = None
    carry_below: Minor = 0


class DraftBody(TermsBody, kw_only=True):
    """By which terms, and for how long this request may work."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=SECONDS)] = SECONDS


class MonthClosingBody(TermsBody, kw_only=True):
    """By which terms. With what the preview showed, a month that comes to something else meanwhile is refused."""

    statements: Annotated[int, msgspec.Meta(ge=0, lt=2**31, description="As the preview showed them.")] | None = None
    charged: Annotated[int, msgspec.Meta(gt=-(2**53), lt=2**53, description="As the preview showed it.")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """How far the draft of a month is: accounts that are done, of all. `sums` are there when it is ready."""

    month: str
    account: int | None
    ready: bool
    done: int
    accounts: int
    sums: stored.DraftSums | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedMonth:
    """What was closed: the first and the last number of its statements are null if there are none."""

    month: str
    account: int | None
    statements: int
    first: int | None
    last: int | None


@contextmanager
def refusals() -> Iterator[None]:
    """Report what is refused about a month. Raises Problem."""
    try:
        yield
    except Refused as refused:
        raise Problem(HTTPStatus.CONFLICT, refused.code, refused.words) from None


def rule(asked: Asked) -> Rule:
    """Return by what transactions are billed."""
    config = asked.api.config
    return Rule(config.time_zone, asked.api.id_tags.policy, BillBy(config.bill_by))


def month_of(asked: Asked) -> Month:
    """Return the month in the path. Raises Problem."""
    try:
        return Month.parse(asked.path["month"])
    except ValueError as error:
        raise invalid("month", str(error)) from None


async def get_billing(asked: Asked) -> Any:
    found = await asked.api.reader.run(stored.billing)
    if found is None:
        raise not_found("billing yet; say since when this system bills")
    return show(found)


async def begin(asked: Asked) -> Any:
    day = local_day(asked.body.begun_on, "begun_on")
    with refusals():
        await asked.api.writer.run(closing.begin, day, asked.api.stamp(), asked.caller.name)
    return await get_billing(asked)


async def prepare(asked: Asked) -> Any:
    planned, progress = await _prepare(asked, asked.body.seconds)
    sums = await _sums(asked, planned, progress) if progress.is_ready else None
    return show(
        Draft(
            month=str(planned.month),
            account=planned.account,
            ready=progress.is_ready,
            done=progress.done,
            accounts=progress.accounts,
            sums=sums,
        )
    )


async def _sums(asked: Asked, planned: Plan, progress: Progress) -> stored.DraftSums:
    return await asked.api.reader.run(lambda db: stored.draft_sums(db, progress.draft, planned))


async def _prepare(asked: Asked, seconds: float) -> tuple[Plan, Progress]:
    body: TermsBody = asked.body
    terms = Terms(rule(asked), body.carry_below)
    with refusals():
        async with asked.api.places.wait():
            return await asked.api.preparing.prepare(month_of(asked), body.account, terms, seconds)


async def close(asked: Asked) -> Any:
    planned, progress = await _prepare(asked, SECONDS)
    order = Order(asked.caller.name, asked.api.stamp())
    with refusals():
        if not progress.is_ready:
            words = f"the draft is not ready yet ({progress.done} of {progress.accounts} accounts); prepare it first"
            raise Refused(Code.NOT_READY, words)
        _check_shown(asked.body, await _sums(asked, planned, progress))
        found = await asked.api.reader.run(partial(stored.closable, draft=progress.draft, salt=_salt()))
        closed = await asked.api.writer.run(closing.close, planned, order, found)
    await _tidy(asked, planned, progress.draft)
    return show(
        ClosedMonth(
            month=str(planned.month),
            account=planned.account,
            statements=closed.statements,
            first=closed.first,
            last=closed.last,
        )
    )


def _check_shown(body: MonthClosingBody, sums: stored.DraftSums) -> None:
    """Check that what is closed is what was looked at. Raises Refused."""
    is_as_shown = body.statements in (None, sums.statements) and body.charged in (None, sums.charged)
    if not is_as_shown:
        raise Refused(Code.NOT_READY, "the month comes to something else now; look at its preview, and close it again")


def _salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


async def _tidy(asked: Asked, planned: Plan, draft: int) -> None:
    """Delete what the closing settled, in short writes. What is left after a crash goes with the next closing."""
    await asked.api.preparing.discard(draft)
    settled = SETTLED_AT_ONCE if planned.account is None else 0
    while settled == SETTLED_AT_ONCE:
        settled = await asked.api.writer.run(closing.settle, planned, SETTLED_AT_ONCE)


REFUSED: Final = ("not_begun", "conflict", "not_over", "not_ready", "no_tariff", "no_biller")
ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=BILLING,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show since when this system bills, and which months are closed.",
        handle=get_billing,
        answer=shown_as(stored.Billing),
        problems=("not_found",),
    ),
    Endpoint(
        method="PUT",
        path=BILLING,
        role=Role.ADMIN,
        tag=TAG,
        summary="Say since when this system bills. The day stays when a month is closed.",
        handle=begin,
        body=StructBody(BeginBody),
        answer=shown_as(stored.Billing),
        problems=("conflict",),
    ),
    Endpoint(
        method="POST",
        path=DRAFT,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Work on the draft of a month for some seconds; ask again until it is ready.",
        handle=prepare,
        body=StructBody(DraftBody),
        answer=shown_as(Draft),
        problems=("not_begun", "conflict", "no_tariff", "too_many_waiting"),
    ),
    Endpoint(
        method="POST",
        path=CLOSING,
        role=Role.ADMIN,
        tag=TAG,
        summary="Close a month: number and seal its statements.",
        handle=close,
        body=StructBody(MonthClosingBody),
        answer=shown_as(ClosedMonth),
        problems=(*REFUSED, "too_many_waiting"),
    ),
)
